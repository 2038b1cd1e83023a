import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { encodeRedisCommand, RedisReplyError, RedisReplyReader } from './redis-reply.ts';
import type { RedisReply } from './redis-reply.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** What is the same for every server of one configuration. */
export interface RedisAccess {
  readonly username?: string | undefined;
  /** Undefined or empty: no AUTH. */
  readonly password?: string | undefined;
  readonly database: number;
  readonly tls: boolean;
  readonly verifyTls: boolean;
  /** For SNI and the certificate's name; undefined: the host's, unless that is an address. */
  readonly serverName?: string | undefined;
  /** Of connecting, TLS included. */
  readonly connectTimeoutMs: number;
  /** From a command to its answer. */
  readonly readTimeoutMs: number;
  /** A connection without a command for so long is closed. */
  readonly idleMs: number;
}

export type RedisCommand = readonly (string | number)[];

interface Pending {
  readonly deadlineMs: number;
  readonly resolve: (reply: RedisReply) => void;
  readonly reject: (error: Error) => void;
}

/** A hundred requests in flight would be many; past this Redis is not keeping up. */
const PENDING_MAX = 4096;

/** No connection could be made: the command has not been sent. */
export class RedisConnectError extends Error {}

/**
 * One connection to one server. Commands are sent at once, in order, and those of one turn of the
 * event loop in one write (pipelining). When an answer does not come in time the connection is
 * given up with all that wait on it: what comes later could not be told apart.
 */
export class RedisConnection {
  readonly #socket: Socket;
  readonly #access: RedisAccess;
  readonly #reader = new RedisReplyReader();
  readonly #pending: Pending[] = [];
  readonly #onEnd: (error: Error) => void;
  #outgoing = '';
  #timer: NodeJS.Timeout | undefined;
  #isClosing = false;
  #isOpen = true;

  /** `onEnd` hears why a connection ended by itself; not of an idle one, nor of `close`. */
  private constructor(socket: Socket, access: RedisAccess, onEnd: (error: Error) => void) {
    this.#socket = socket;
    this.#access = access;
    this.#onEnd = onEnd;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('closed')));
    this.#watch();
  }

  /** Connects, authenticates and selects the database. Rejects with a RedisConnectError. */
  static async open(
    address: RedisAddress,
    access: RedisAccess,
    onEnd: (error: Error) => void = () => {},
  ): Promise<RedisConnection> {
    const socket = await openSocket(address, access);
    const connection = new RedisConnection(socket, access, onEnd);
    try {
      await connection.#greet();
    } catch (error) {
      connection.close();
      socket.destroy();
      throw new RedisConnectError((error as Error).message, { cause: error });
    }
    return connection;
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#isClosing;
  }

  /** Rejects with a RedisReplyError when Redis says no, with another Error when it says nothing. */
  send(command: RedisCommand): Promise<RedisReply> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) {
        reject(new Error('closed'));
        return;
      }
      if (this.#pending.length >= PENDING_MAX) {
        reject(new Error(`${PENDING_MAX} commands wait for Redis already`));
        return;
      }
      if (this.#outgoing === '') setImmediate(() => this.#flush());
      this.#outgoing += encodeRedisCommand(command);
      const deadlineMs = performance.now() + this.#access.readTimeoutMs;
      this.#pending.push({ deadlineMs, resolve, reject });
      if (this.#pending.length === 1) this.#watch();
    });
  }

  /** Takes no more commands, and ends when those that were sent are answered. */
  close(): void {
    this.#isClosing = true;
    if (this.#pending.length === 0) this.#end(new Error('closed'));
  }

  async #greet(): Promise<void> {
    const { username, password, database } = this.#access;
    const answers: Promise<unknown>[] = [];
    if (password !== undefined && password !== '') {
      const credentials = username === undefined ? [password] : [username, password];
      answers.push(this.send(['AUTH', ...credentials]));
    }
    if (database !== 0) answers.push(this.send(['SELECT', database]));
    const [first, second] = await Promise.allSettled(answers);
    if (first?.status === 'rejected' && answers.length === 2) throw first.reason;
    const selected = answers.length === 2 ? second : first;
    if (selected?.status !== 'rejected') return;
    const error = selected.reason as Error;
    if (database === 0 || !(error instanceof RedisReplyError)) throw error;
    // going on would count in another database
    throw new Error(`failed to change redis db, err: ${error.message}`);
  }

  #flush(): void {
    const text = this.#outgoing;
    this.#outgoing = '';
    if (this.#isOpen) this.#socket.write(text);
  }

  #onData(chunk: Buffer): void {
    let replies: readonly RedisReply[];
    try {
      replies = this.#reader.push(chunk);
    } catch (error) {
      this.#end(error as Error);
      return;
    }
    for (const reply of replies) {
      const pending = this.#pending.shift();
      if (pending === undefined) {
        this.#end(new Error('malformed redis response'));
        return;
      }
      if (reply instanceof RedisReplyError) pending.reject(reply);
      else pending.resolve(reply);
    }
    if (this.#pending.length > 0) return;
    if (this.#isClosing) this.#end(new Error('closed'));
    else this.#watch();
  }

  /** One timer: for the oldest answer that is due, or for the end of an idle connection. */
  #watch(): void {
    clearTimeout(this.#timer);
    const [oldest] = this.#pending;
    if (oldest === undefined) {
      this.#timer = setTimeout(() => this.close(), this.#access.idleMs).unref();
      this.#socket.unref();
      return;
    }
    this.#socket.ref();
    const waitMs = Math.max(1, oldest.deadlineMs - performance.now());
    this.#timer = setTimeout(() => this.#onTimer(), waitMs);
  }

  #onTimer(): void {
    const [oldest] = this.#pending;
    if (oldest !== undefined && oldest.deadlineMs <= performance.now()) {
      this.#end(new Error('timeout'));
    } else {
      this.#watch();
    }
  }

  #end(error: Error): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    for (const { reject } of this.#pending.splice(0)) reject(error);
    if (!this.#isClosing) this.#onEnd(error);
  }
}

async function openSocket(
  { host, port }: RedisAddress,
  { tls, verifyTls, serverName, connectTimeoutMs }: RedisAccess,
): Promise<Socket> {
  const name = serverName ?? (isIP(host) === 0 ? host : undefined);
  const socket = tls
    ? connectTls({
        host,
        port,
        rejectUnauthorized: verifyTls,
        ...(name !== undefined && { servername: name }),
      })
    : connect({ host, port });
  socket.setNoDelay(true);
  const timer = setTimeout(() => socket.destroy(new Error('timeout')), connectTimeoutMs);
  let isConnected = false;
  socket.once('connect', () => {
    isConnected = true;
  });
  try {
    await once(socket, tls ? 'secureConnect' : 'connect');
    return socket;
  } catch (error) {
    throw new RedisConnectError(reasonOf(error as NodeJS.ErrnoException, tls && isConnected), {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** In the words of nginx, which APISIX's log has. */
function reasonOf({ code, message }: NodeJS.ErrnoException, isHandshake: boolean): string {
  if (isHandshake) return `failed to do ssl handshake: ${message}`;
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ETIMEDOUT') return 'timeout';
  return message === '' ? (code ?? 'closed') : message;
}
