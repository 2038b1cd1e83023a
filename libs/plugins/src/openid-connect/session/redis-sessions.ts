import { hash, randomBytes } from 'node:crypto';
import type { HeaderList, RequestContext } from '@polygate/plugin-sdk';
import { acquireRedis, type RedisLease } from '../../redis/redis-client.ts';
import type { RedisCommand } from '../../redis/redis-connection.ts';
import type { RedisReply } from '../../redis/redis-reply.ts';
import type { RedisConf } from '../../redis/redis-schema.ts';
import type { SessionConf, SessionRedisConf } from '../conf.ts';
import { OpenidError } from '../provider.ts';
import { cookiesOf, SessionCookie } from './session-cookie.ts';
import { SessionSeal } from './session-seal.ts';
import { isOver, sessionTimeouts, touched, ttlSeconds } from './session.ts';
import type { Session, Sessions, SessionTimeouts } from './session.ts';

const ID_BYTES = 32;
const ID = /^[\w-]{43}$/;
/** Sealed, in base64url: some tokens and the claims of a user. */
const SEALED_CHARS_MAX = 512 * 1024;

/**
 * Sessions in Redis; the cookie has the id only. Redis is told neither the id, of which a key is the
 * digest, nor what is in a session. An id lasts from login to logout, so that its key is all there is to
 * delete; a login gets a new one. Redis away: every call rejects, and nobody is sent to log in.
 */
export class RedisSessions implements Sessions {
  readonly #cookie: SessionCookie;
  readonly #seal: SessionSeal;
  readonly #timeouts: SessionTimeouts;
  readonly #keyPrefix: string;
  readonly #lease: RedisLease;

  /** `context`: see SessionSeal. */
  constructor(conf: SessionConf, redis: SessionRedisConf, context: readonly string[]) {
    this.#cookie = new SessionCookie(conf);
    this.#seal = new SessionSeal(conf.secret, [this.#cookie.name, ...context]);
    this.#timeouts = sessionTimeouts(conf);
    this.#keyPrefix = `${redis.prefix}:${this.#cookie.name}:`;
    this.#lease = acquireRedis(redisConf(redis));
  }

  async read(headers: HeaderList): Promise<Session | undefined> {
    const id = cookiesOf(headers).get(this.#cookie.name);
    if (id === undefined || !ID.test(id)) return undefined;
    const sealed = await this.#send(id, 'GET');
    const session = typeof sealed === 'string' ? this.#seal.open(sealed, id) : undefined;
    if (session === undefined || isOver(session, this.#timeouts)) return undefined;
    return { ...session, id };
  }

  async write(ctx: RequestContext, session: Session, former?: Session): Promise<void> {
    const nowMs = Date.now();
    const kept = { ...session, seenMs: nowMs, rolledMs: nowMs };
    if (session.id !== undefined) {
      if (await this.#replace({ ...kept, id: session.id })) return;
      // it was logged out of meanwhile: no answer of a slow request brings it back
      if (session.login !== undefined) throw new OpenidError('the session has ended');
    }
    const id = randomBytes(ID_BYTES).toString('base64url');
    await this.#put({ ...kept, id });
    if (former?.id !== undefined) await this.#send(former.id, 'UNLINK');
    this.#cookie.set(ctx, id);
  }

  async touch(_ctx: RequestContext, session: Session): Promise<void> {
    const next = touched(session, this.#timeouts);
    if (next !== undefined) await this.#replace(next);
  }

  async drop(ctx: RequestContext, session: Session | undefined): Promise<void> {
    if (session?.id !== undefined) await this.#send(session.id, 'UNLINK');
    this.#cookie.drop(ctx);
  }

  close(): void {
    this.#lease.release();
  }

  /** False when there is none any more. */
  async #replace(session: Session): Promise<boolean> {
    return (await this.#put(session, 'XX')) !== null;
  }

  #put(session: Session, ...condition: readonly string[]): Promise<RedisReply> {
    const sealed = this.#seal.seal(session);
    if (sealed.length > SEALED_CHARS_MAX) {
      return Promise.reject(new OpenidError('the session is too large'));
    }
    const ttl = ttlSeconds(session, this.#timeouts);
    return this.#send(session.id ?? '', 'SET', sealed, 'EX', ttl, ...condition);
  }

  async #send(id: string, name: string, ...args: RedisCommand): Promise<RedisReply> {
    const key = this.#keyPrefix + hash('sha256', id, 'base64url');
    try {
      return await this.#lease.client.send(key, [name, key, ...args]);
    } catch (error) {
      const reason = (error as Error).message;
      throw new OpenidError(`session storage redis failed: ${reason}`, { cause: error });
    }
  }
}

function redisConf(redis: SessionRedisConf): RedisConf {
  const { username, password, server_name: serverName } = redis;
  return {
    policy: 'redis',
    redis_host: redis.host,
    redis_port: redis.port,
    ...(username !== undefined && { redis_username: username }),
    ...(password !== undefined && { redis_password: password }),
    redis_database: redis.database,
    redis_ssl: redis.ssl,
    redis_ssl_verify: redis.ssl_verify,
    ...(serverName !== undefined && { redis_server_name: serverName }),
    redis_connect_timeout: redis.connect_timeout,
    // one limit from a command to its answer
    redis_read_timeout: Math.max(redis.send_timeout, redis.read_timeout),
    redis_keepalive_timeout: redis.keepalive_timeout,
  };
}
