import { RedisConnectError, RedisConnection } from './redis-connection.ts';
import type { RedisAccess, RedisAddress, RedisCommand } from './redis-connection.ts';
import type { RedisReply } from './redis-reply.ts';

const BACK_OFF_MS_MIN = 50;
const BACK_OFF_MS_MAX = 1000;

/**
 * One server, by one connection that is made when it is needed. After a failure commands fail at
 * once, with the same reason, for 50 ms, doubling up to a second: requests must not queue up before
 * a dead server.
 */
export class RedisServer {
  readonly #address: RedisAddress;
  readonly #access: RedisAccess;
  #connection: RedisConnection | undefined;
  #opening: Promise<RedisConnection> | undefined;
  #failure: { readonly reason: string; readonly untilMs: number } | undefined;
  #backOffMs = BACK_OFF_MS_MIN;
  #isClosed = false;

  constructor(address: RedisAddress, access: RedisAccess) {
    this.#address = address;
    this.#access = access;
  }

  /** Rejects with a RedisConnectError when it was not sent, and as RedisConnection.send does. */
  send(command: RedisCommand): Promise<RedisReply> {
    const connection = this.#connection;
    if (connection?.isOpen === true) return connection.send(command);
    return this.#connect().then((opened) => opened.send(command));
  }

  /** As a cluster wants it for a slot that is on the move: two commands, nothing between them. */
  async sendAsking(command: RedisCommand): Promise<RedisReply> {
    const connection = await this.#connect();
    const [, reply] = await Promise.all([connection.send(['ASKING']), connection.send(command)]);
    return reply;
  }

  /** What was sent is answered still. */
  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  #connect(): Promise<RedisConnection> {
    if (this.#connection?.isOpen === true) return Promise.resolve(this.#connection);
    if (this.#failure !== undefined && performance.now() < this.#failure.untilMs) {
      return Promise.reject(new RedisConnectError(this.#failure.reason));
    }
    return (this.#opening ??= this.#open());
  }

  async #open(): Promise<RedisConnection> {
    try {
      const connection = await RedisConnection.open(this.#address, this.#access, (error) =>
        this.#onLost(error),
      );
      this.#connection = connection;
      this.#failure = undefined;
      // those that waited for it are sent first
      if (this.#isClosed) setImmediate(() => connection.close());
      return connection;
    } catch (error) {
      this.#fail((error as Error).message);
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  /** A server that went away is looked for again at once; one that keeps silent is not. */
  #onLost(error: Error): void {
    if (error.message === 'timeout') this.#fail(error.message);
    else this.#backOffMs = BACK_OFF_MS_MIN;
  }

  #fail(reason: string): void {
    this.#failure = { reason, untilMs: performance.now() + this.#backOffMs };
    this.#backOffMs = Math.min(this.#backOffMs * 2, BACK_OFF_MS_MAX);
  }
}
