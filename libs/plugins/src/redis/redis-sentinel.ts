import { RedisConnectError, RedisConnection } from './redis-connection.ts';
import type { RedisAccess, RedisAddress, RedisCommand } from './redis-connection.ts';
import type { RedisClient } from './redis-client.ts';
import { RedisReplyError } from './redis-reply.ts';
import type { RedisReply } from './redis-reply.ts';
import { RedisServer } from './redis-server.ts';

export interface SentinelOptions {
  readonly sentinels: readonly RedisAddress[];
  readonly masterName: string;
  readonly role: 'master' | 'slave';
  /** To the servers. */
  readonly access: RedisAccess;
  /** To the sentinels. */
  readonly sentinelAccess: RedisAccess;
}

/** Answers of a server that is not, or no longer, what its sentinels said. */
const DEMOTED: readonly string[] = ['READONLY', 'MASTERDOWN', 'LOADING'];
const ATTEMPTS = 2;
/** Sentinels that could not say are left alone for so long. */
const REST_MS = 500;

/**
 * The server that the sentinels name. They are asked, all at once, when there is no server yet,
 * when it cannot be reached, and when it says that it is not the master any more.
 */
export class RedisSentinel implements RedisClient {
  readonly #options: SentinelOptions;
  /** To be used, until it fails. */
  #server: RedisServer | undefined;
  /**
   * The one before as well: while the sentinels name it still, what it knows of its failures
   * counts.
   */
  #latest: { readonly name: string; readonly server: RedisServer } | undefined;
  #failure: { readonly reason: string; readonly untilMs: number } | undefined;
  #resolving: Promise<RedisServer> | undefined;
  #isClosed = false;

  constructor(options: SentinelOptions) {
    this.#options = options;
  }

  async send(_key: string, command: RedisCommand): Promise<RedisReply> {
    for (let attempt = 1; ; attempt++) {
      const server = this.#server ?? (await this.#resolve());
      try {
        return await server.send(command);
      } catch (error) {
        const isDemoted = error instanceof RedisReplyError && DEMOTED.includes(error.code);
        if (error instanceof RedisReplyError && !isDemoted) throw error;
        if (this.#server === server) this.#server = undefined;
        const isUnsent = isDemoted || error instanceof RedisConnectError;
        if (attempt >= ATTEMPTS || !isUnsent) throw error;
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#latest?.server.close();
  }

  #resolve(): Promise<RedisServer> {
    if (this.#failure !== undefined && performance.now() < this.#failure.untilMs) {
      return Promise.reject(new RedisConnectError(this.#failure.reason));
    }
    return (this.#resolving ??= this.#find().finally(() => {
      this.#resolving = undefined;
    }));
  }

  async #find(): Promise<RedisServer> {
    const address = await this.#askSentinels();
    const name = `${address.host}:${address.port}`;
    if (this.#latest?.name !== name) {
      this.#latest?.server.close();
      this.#latest = { name, server: new RedisServer(address, this.#options.access) };
    }
    const { server } = this.#latest;
    this.#server = server;
    if (this.#isClosed) setImmediate(() => server.close());
    return server;
  }

  async #askSentinels(): Promise<RedisAddress> {
    const { sentinels } = this.#options;
    try {
      return await Promise.any(sentinels.map((sentinel) => this.#ask(sentinel)));
    } catch (error) {
      const errors = (error as AggregateError).errors as Error[];
      const refusal = errors.find(isOfSentinel);
      const reasons = errors.map(({ message }) => message).join(', ');
      const reason = refusal?.message ?? `no hosts available, previous_errors: ${reasons}`;
      const message = `redis connection failed, err: ${reason}`;
      this.#failure = { reason: message, untilMs: performance.now() + REST_MS };
      throw new RedisConnectError(message, { cause: error });
    }
  }

  async #ask(sentinel: RedisAddress): Promise<RedisAddress> {
    const { masterName, role, sentinelAccess } = this.#options;
    const connection = await RedisConnection.open(sentinel, sentinelAccess);
    try {
      if (role === 'slave') {
        return replicaOf(await connection.send(['SENTINEL', 'replicas', masterName]));
      }
      const reply = await connection.send(['SENTINEL', 'get-master-addr-by-name', masterName]);
      if (reply === null) throw new RedisReplyError(`invalid master name: ${masterName}`);
      return toAddress((reply as readonly RedisReply[])[0], (reply as readonly RedisReply[])[1]);
    } finally {
      connection.close();
    }
  }
}

/** Said by a sentinel, and not that there is none. */
function isOfSentinel(error: Error): boolean {
  return error instanceof RedisReplyError || error.cause instanceof RedisReplyError;
}

/** The first replica that is not down; each is a list of names and values. */
function replicaOf(reply: RedisReply): RedisAddress {
  for (const fields of Array.isArray(reply) ? (reply as readonly RedisReply[]) : []) {
    const list = Array.isArray(fields) ? (fields as readonly RedisReply[]) : [];
    const field = (name: string) => list[list.indexOf(name) + 1];
    const flags = field('flags');
    if (typeof flags === 'string' && /down|disconnected/.test(flags)) continue;
    return toAddress(field('ip'), field('port'));
  }
  throw new RedisReplyError('no replica available');
}

function toAddress(host: RedisReply | undefined, port: RedisReply | undefined): RedisAddress {
  const number = Number(port);
  if (typeof host !== 'string' || !Number.isInteger(number)) {
    throw new Error('malformed redis response');
  }
  return { host, port: number };
}
