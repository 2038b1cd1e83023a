import type { HeaderList, RequestContext } from '@polygate/plugin-sdk';
import type { SessionConf } from '../conf.ts';
import { OpenidError } from '../provider.ts';
import { cookiesOf, SessionCookie } from './session-cookie.ts';
import { SessionSeal } from './session-seal.ts';
import { isOver, sessionTimeouts, touched } from './session.ts';
import type { Session, Sessions, SessionTimeouts } from './session.ts';

/** Browsers keep 4,096 bytes a cookie, name and attributes included. */
const CHUNK_CHARS = 3800;
const CHUNKS_MAX = 5;

/** Sessions in the browsers' cookies. Any worker and any data plane can read them. */
export class CookieSessions implements Sessions {
  readonly #cookie: SessionCookie;
  readonly #seal: SessionSeal;
  readonly #timeouts: SessionTimeouts;

  /** `context`: see SessionSeal. */
  constructor(conf: SessionConf, context: readonly string[]) {
    this.#cookie = new SessionCookie(conf);
    this.#seal = new SessionSeal(conf.secret, [this.#cookie.name, ...context]);
    this.#timeouts = sessionTimeouts(conf);
  }

  read(headers: HeaderList): Promise<Session | undefined> {
    return Promise.resolve(this.#read(headers));
  }

  #read(headers: HeaderList): Session | undefined {
    const cookies = cookiesOf(headers);
    const [, count, first] = /^(\d)\.(.*)$/s.exec(cookies.get(this.#cookie.name) ?? '') ?? [];
    if (count === undefined || first === undefined || Number(count) > CHUNKS_MAX) return undefined;
    let sealed = first;
    for (let i = 2; i <= Number(count); i++) sealed += cookies.get(this.#nameOf(i)) ?? '';
    const session = this.#seal.open(sealed);
    return session === undefined || isOver(session, this.#timeouts) ? undefined : session;
  }

  async write(ctx: RequestContext, session: Session): Promise<void> {
    const nowMs = Date.now();
    await this.#put(ctx, { ...session, seenMs: nowMs, rolledMs: nowMs });
  }

  async touch(ctx: RequestContext, session: Session): Promise<void> {
    const next = touched(session, this.#timeouts);
    if (next !== undefined) await this.#put(ctx, next);
  }

  drop(ctx: RequestContext): Promise<void> {
    this.#dropFrom(1, ctx);
    return Promise.resolve();
  }

  close(): void {
    // the browsers keep them
  }

  #put(ctx: RequestContext, session: Session): Promise<void> {
    const sealed = this.#seal.seal(session);
    const count = Math.ceil(sealed.length / CHUNK_CHARS);
    if (count > CHUNKS_MAX) {
      return Promise.reject(new OpenidError('the session is too large for cookies'));
    }
    for (let i = 1; i <= count; i++) {
      const chunk = sealed.slice((i - 1) * CHUNK_CHARS, i * CHUNK_CHARS);
      this.#cookie.set(ctx, i === 1 ? `${count}.${chunk}` : chunk, this.#nameOf(i));
    }
    this.#dropFrom(count + 1, ctx);
    return Promise.resolve();
  }

  #dropFrom(first: number, ctx: RequestContext): void {
    for (let i = first; i <= CHUNKS_MAX; i++) this.#cookie.drop(ctx, this.#nameOf(i));
  }

  #nameOf(chunk: number): string {
    return chunk === 1 ? this.#cookie.name : `${this.#cookie.name}${chunk}`;
  }
}
