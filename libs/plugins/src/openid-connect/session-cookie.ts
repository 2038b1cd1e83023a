import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { HeaderList, RequestContext } from '@polygate/plugin-sdk';
import type { OpenidConnectConf, SessionConf } from './conf.ts';
import { OpenidError } from './provider.ts';

/** A login that is under way, by its `state`. */
export interface PendingLogin {
  readonly nonce?: string;
  readonly verifier?: string;
  readonly originalUrl: string;
}

export interface Login {
  readonly accessToken?: string;
  readonly accessTokenEndMs: number;
  readonly refreshToken?: string;
  /** Claims of the ID token. */
  readonly idToken?: Readonly<Record<string, unknown>>;
  readonly rawIdToken?: string;
  readonly user?: Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

/** What the browser keeps for us, encrypted. */
export interface Session {
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

/** Browsers keep 4,096 bytes a cookie, name and attributes included. */
const CHUNK_CHARS = 3800;
const CHUNKS_MAX = 5;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** A session that is looked at again within this time is not written anew. */
const TOUCH_MS = 60_000;

/**
 * Sessions of one conf, in cookies: AES-256-GCM with a key that comes of `session.secret`, bound to the
 * client and its provider, so that no session of another route passes here. Nothing is kept in the
 * gateway: any worker and any data plane can read them.
 */
export class SessionCookies {
  readonly #conf: SessionConf;
  readonly #name: string;
  readonly #key: Buffer;
  readonly #context: Buffer;
  readonly #timeoutsMs: {
    readonly idle: number;
    readonly rolling: number;
    readonly absolute: number;
  };

  constructor(session: SessionConf, { client_id: clientId, discovery }: OpenidConnectConf) {
    this.#conf = session;
    this.#name = session.cookie_name ?? 'session';
    const info = 'openid-connect session';
    this.#key = Buffer.from(hkdfSync('sha256', session.secret, '', info, 32));
    this.#context = Buffer.from(JSON.stringify([this.#name, clientId, discovery]));
    const absolute = session.absolute_timeout ?? session.cookie?.lifetime ?? 86_400;
    this.#timeoutsMs = {
      idle: (session.idling_timeout ?? 900) * 1000,
      rolling: (session.rolling_timeout ?? 3600) * 1000,
      absolute: absolute * 1000,
    };
  }

  begin(): Session {
    const nowMs = Date.now();
    return { createdMs: nowMs, rolledMs: nowMs, seenMs: nowMs, pending: {}, restarts: 0 };
  }

  /** Undefined without a session that is whole, ours and in its time. */
  read(headers: HeaderList): Session | undefined {
    const cookies = cookiesOf(headers);
    const [, count, first] = /^(\d)\.(.*)$/s.exec(cookies.get(this.#name) ?? '') ?? [];
    if (count === undefined || first === undefined || Number(count) > CHUNKS_MAX) return undefined;
    let sealed = first;
    for (let i = 2; i <= Number(count); i++) sealed += cookies.get(`${this.#name}${i}`) ?? '';
    const session = this.#open(Buffer.from(sealed, 'base64url'));
    return session === undefined || this.#isOver(session) ? undefined : session;
  }

  /** Throws an OpenidError when it does not fit into cookies. */
  write(ctx: RequestContext, session: Session): void {
    const nowMs = Date.now();
    const sealed = this.#seal({ ...session, seenMs: nowMs, rolledMs: nowMs });
    const count = Math.ceil(sealed.length / CHUNK_CHARS);
    if (count > CHUNKS_MAX) throw new OpenidError('the session is too large for cookies');
    const attributes = this.#attributes(ctx);
    for (let i = 1; i <= count; i++) {
      const chunk = sealed.slice((i - 1) * CHUNK_CHARS, i * CHUNK_CHARS);
      const value = i === 1 ? `${count}.${chunk}` : chunk;
      setCookie(ctx, `${this.#nameOf(i)}=${value}${attributes}`);
    }
    this.#dropFrom(count + 1, ctx);
  }

  /** Keeps a session that is in use from ending for idleness. */
  touch(ctx: RequestContext, session: Session): void {
    if (Date.now() - session.seenMs > TOUCH_MS) this.write(ctx, session);
  }

  drop(ctx: RequestContext): void {
    this.#dropFrom(1, ctx);
  }

  #dropFrom(first: number, ctx: RequestContext): void {
    const cookies = cookiesOf(ctx.request.headers);
    for (let i = first; i <= CHUNKS_MAX; i++) {
      const name = this.#nameOf(i);
      if (cookies.has(name)) setCookie(ctx, `${name}=; Max-Age=0${this.#attributes(ctx)}`);
    }
  }

  #nameOf(chunk: number): string {
    return chunk === 1 ? this.#name : `${this.#name}${chunk}`;
  }

  #attributes(ctx: RequestContext): string {
    const { cookie_path: path = '/', cookie_domain: domain, cookie_secure: secure } = this.#conf;
    const { cookie_http_only: isHttpOnly = true, cookie_same_site: sameSite = 'Lax' } = this.#conf;
    return [
      `; Path=${path}`,
      domain === undefined ? '' : `; Domain=${domain}`,
      sameSite === 'Default' ? '' : `; SameSite=${sameSite}`,
      (secure ?? ctx.request.scheme === 'https') ? '; Secure' : '',
      isHttpOnly ? '; HttpOnly' : '',
    ].join('');
  }

  #seal(session: Session): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(this.#context);
    const text = Buffer.concat([cipher.update(JSON.stringify(session)), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
  }

  #open(sealed: Buffer): Session | undefined {
    if (sealed.length <= IV_BYTES + TAG_BYTES) return undefined;
    const iv = sealed.subarray(0, IV_BYTES);
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv('aes-256-gcm', this.#key, iv, options)
      .setAAD(this.#context)
      .setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      const text = Buffer.concat([
        decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)),
        decipher.final(),
      ]);
      return JSON.parse(text.toString()) as Session;
    } catch {
      // not written with this secret, or tampered with: the same as none
      return undefined;
    }
  }

  #isOver({ createdMs, rolledMs, seenMs }: Session): boolean {
    const { idle, rolling, absolute } = this.#timeoutsMs;
    const nowMs = Date.now();
    const isPast = (fromMs: number, limitMs: number) => limitMs > 0 && nowMs - fromMs >= limitMs;
    return isPast(seenMs, idle) || isPast(rolledMs, rolling) || isPast(createdMs, absolute);
  }
}

function setCookie(ctx: RequestContext, cookie: string): void {
  ctx.response.early.append('Set-Cookie', cookie);
}

/** The first of each name. */
function cookiesOf(headers: HeaderList): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of headers.getAll('cookie').flatMap((value) => value.split(';'))) {
    const equals = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, equals)).trim();
    if (name !== '' && !cookies.has(name)) cookies.set(name, pair.slice(equals + 1).trim());
  }
  return cookies;
}
