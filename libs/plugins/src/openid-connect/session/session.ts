import type { HeaderList, RequestContext } from '@polygate/plugin-sdk';
import type { SessionConf } from '../conf.ts';

/** A login that is under way, by its `state`. */
export interface PendingLogin {
  readonly nonce?: string;
  readonly verifier?: string;
  readonly originalUrl: string;
}

export interface Login {
  /** Undefined too when it has ended and is not to be renewed. */
  readonly accessToken?: string | undefined;
  readonly accessTokenEndMs: number;
  readonly refreshToken?: string;
  /** Claims of the ID token. */
  readonly idToken?: Readonly<Record<string, unknown>>;
  readonly rawIdToken?: string;
  readonly user?: Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

/** What is known of a browser; nobody but the gateway can read it. */
export interface Session {
  /** Where it is kept, when that is not the browser. */
  readonly id?: string;
  readonly createdMs: number;
  readonly rolledMs: number;
  readonly seenMs: number;
  readonly pending: Readonly<Record<string, PendingLogin>>;
  /** Where the latest login began. */
  readonly originalUrl?: string;
  /** Logins in a row that were begun anew after an accident. */
  readonly restarts: number;
  readonly login?: Login;
}

/** Where sessions of one conf are kept. What cannot be read or written rejects: nobody is logged in then. */
export interface Sessions {
  /** Undefined without a session that is whole, ours and in its time. */
  read(headers: HeaderList): Promise<Session | undefined>;
  /** `former` ends with it: the browser has the new one from now on. Rejects when it is too large. */
  write(ctx: RequestContext, session: Session, former?: Session): Promise<void>;
  /** Keeps a session that is in use from ending. */
  touch(ctx: RequestContext, session: Session): Promise<void>;
  drop(ctx: RequestContext, session: Session | undefined): Promise<void>;
  close(): void;
}

/** Zero: without such a limit. */
export interface SessionTimeouts {
  /** Without a request. */
  readonly idleMs: number;
  /** From one renewal to the next, which is due after three quarters of it. */
  readonly rollingMs: number;
  readonly absoluteMs: number;
}

/** A session that is looked at again within this time is not written anew. */
const TOUCH_MS = 60_000;
/** Of lua-resty-session, for sessions without a limit: 400 days. */
const TTL_SECONDS_MAX = 34_560_000;

export function sessionTimeouts(conf: SessionConf): SessionTimeouts {
  const absolute = conf.absolute_timeout ?? conf.cookie?.lifetime ?? 86_400;
  return {
    idleMs: (conf.idling_timeout ?? 900) * 1000,
    rollingMs: (conf.rolling_timeout ?? 3600) * 1000,
    absoluteMs: absolute * 1000,
  };
}

export function beginSession(): Session {
  const nowMs = Date.now();
  return { createdMs: nowMs, rolledMs: nowMs, seenMs: nowMs, pending: {}, restarts: 0 };
}

export function isOver(session: Session, timeouts: SessionTimeouts): boolean {
  return leftMs(session, timeouts) <= 0;
}

/** Seconds for that a store has to keep it, at least one. */
export function ttlSeconds(session: Session, timeouts: SessionTimeouts): number {
  return Math.max(1, Math.min(Math.ceil(leftMs(session, timeouts) / 1000), TTL_SECONDS_MAX));
}

/** The session with the time of this request on it; undefined when that need not be written down. */
export function touched(
  session: Session,
  { rollingMs, idleMs }: SessionTimeouts,
): Session | undefined {
  const nowMs = Date.now();
  if (rollingMs > 0 && nowMs - session.rolledMs > rollingMs * 0.75) {
    return { ...session, rolledMs: nowMs, seenMs: nowMs };
  }
  if (idleMs <= 0 || nowMs - session.seenMs <= Math.min(TOUCH_MS, idleMs / 4)) return undefined;
  return { ...session, seenMs: nowMs };
}

function leftMs(
  { seenMs, rolledMs, createdMs }: Session,
  { idleMs, rollingMs, absoluteMs }: SessionTimeouts,
): number {
  const endMs = (fromMs: number, limitMs: number) => (limitMs > 0 ? fromMs + limitMs : Infinity);
  const firstMs = Math.min(
    endMs(seenMs, idleMs),
    endMs(rolledMs, rollingMs),
    endMs(createdMs, absoluteMs),
  );
  return firstMs - Date.now();
}
