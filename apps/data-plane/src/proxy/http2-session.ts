import { connect as connectHttp2 } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  ClientSessionOptions,
  Settings,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Deadlines, Expiring } from '../sockets/deadlines.ts';

/** A call that waits for its session. */
export interface SessionUser {
  /** Milliseconds that a connection may take. */
  readonly connectTimeoutMs: number;
  /** Requests may be sent now, as long as `hasRoom`. */
  onConnected(session: Http2Session): void;
  /** There will be no connection. `timedOut`: it took too long. */
  onConnectFailed(error: Error, timedOut: boolean): void;
}

export interface SessionLimits {
  readonly headBytesMax: number;
  readonly headersMax: number;
  readonly idleTimeoutMs: number;
  /** Calls after which no further one begins. */
  readonly requestsMax: number;
  /** What an earlier connection to the node was told. */
  readonly streamsMax: number | undefined;
}

/** Until the node says what it takes: RFC 9113 recommends no less to it. */
const STREAMS_MAX_BEFORE_SETTINGS = 100;
/** On one connection, whatever the node allows: its window and its loss are shared. */
const STREAMS_MAX = 1000;
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
const TCP_KEEPALIVE_MS = 60_000;
/** For the node to close after us. */
const LINGER_MS = 2000;
const MEMORY_MAX_MB = 128;

/** One connection to a node, with many calls at once. */
export class Http2Session implements Expiring {
  deadlineMs = Infinity;
  /** Calls begun. */
  calls = 0;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #deadlines: Deadlines;
  readonly #limits: SessionLimits;
  readonly #onClosed: (session: Http2Session) => void;
  readonly #waiting = new Set<SessionUser>();
  #open = 0;
  #isLeaving = false;
  #streamsMax: number;
  #state: 'connecting' | 'open' | 'retired' | 'closed' = 'connecting';
  #error: Error | undefined;
  /** From GOAWAY: the last stream that the node may have worked on. */
  #lastStreamId = Infinity;

  /** `socket` is connecting. `onClosed` is called once, whatever ends the session. */
  constructor(
    socket: Socket,
    limits: SessionLimits,
    deadlines: Deadlines,
    onClosed: (session: Http2Session) => void,
  ) {
    this.#socket = socket;
    this.#limits = limits;
    this.#deadlines = deadlines;
    this.#onClosed = onClosed;
    this.#streamsMax = limits.streamsMax ?? STREAMS_MAX_BEFORE_SETTINGS;
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    // The name is never sent: each request has its own :authority.
    this.#session = connectHttp2('http://node.invalid', sessionOptions(socket, limits));
    this.#session.on('remoteSettings', ({ maxConcurrentStreams = STREAMS_MAX }: Settings) => {
      // A node that takes none refuses them itself.
      this.#streamsMax = Math.min(Math.max(maxConcurrentStreams, 1), STREAMS_MAX);
      // Before its SETTINGS a burst of calls could be more than the node takes.
      this.#onReady();
    });
    this.#session.on('goaway', (_code: number, lastStreamId: number) => {
      this.#lastStreamId = lastStreamId;
    });
    this.#session.on('error', (error: Error) => {
      this.#error = error;
    });
    this.#session.on('close', () => this.#onClose());
    deadlines.add(this);
  }

  /** Whether one more call may begin. */
  get hasRoom(): boolean {
    if (this.#state === 'connecting') return this.#waiting.size < this.#streamsMax;
    return (
      this.#state === 'open' &&
      !this.#session.closed &&
      !this.#session.destroyed &&
      this.#open < this.#streamsMax &&
      this.calls < this.#limits.requestsMax
    );
  }

  /** Calls at once, as the node has said. */
  get streamsMax(): number {
    return this.#streamsMax;
  }

  get isIdle(): boolean {
    return this.#state === 'open' && this.#open === 0;
  }

  /** The node or we ended it; calls that began may still be under way. */
  get isEnding(): boolean {
    return this.#state !== 'open' || this.#session.closed || this.#session.destroyed;
  }

  /** Bytes that came from the node, to tell a silent one from a slow call. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Why it ended; undefined while it has not, or when it did so in good order. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Calls `onConnected` at once or later. */
  use(user: SessionUser): void {
    if (this.#state !== 'connecting') {
      user.onConnected(this);
      return;
    }
    this.#waiting.add(user);
    // One who was told to be patient does not wait longer for one who was not.
    const { nowMs } = this.#deadlines;
    this.deadlineMs = Math.min(this.deadlineMs, nowMs + user.connectTimeoutMs);
  }

  /** It does not want to be called any more. */
  unuse(user: SessionUser): void {
    this.#waiting.delete(user);
  }

  /** Throws where the session ended meanwhile. To be followed by one `done`. */
  request(raw: string[], endStream: boolean): ClientHttp2Stream {
    const stream = this.#session.request(raw, { endStream });
    this.calls += 1;
    this.#open += 1;
    this.deadlineMs = Infinity;
    return stream;
  }

  /** A call's stream is closed. */
  done(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    if (this.#state !== 'open') this.deadlineMs = this.#deadlines.nowMs + LINGER_MS;
    else if (this.calls >= this.#limits.requestsMax) this.retire();
    else this.deadlineMs = this.#deadlines.nowMs + this.#limits.idleTimeoutMs;
  }

  /** GOAWAY said that the node has not seen this stream (RFC 9113, 6.8). */
  isUnseen(streamId: number): boolean {
    return streamId > this.#lastStreamId;
  }

  /** No further calls; closes when those under way are done. */
  retire(): void {
    if (this.#state === 'connecting') {
      this.#isLeaving = true;
      if (this.#waiting.size === 0) this.#session.destroy();
    } else if (this.#state === 'open') {
      this.#state = 'retired';
      this.#session.close();
    }
  }

  onDeadline(): void {
    if (this.#state === 'connecting') {
      this.#failWaiting(new Error('connection timed out'), true);
      this.#session.destroy();
      this.#socket.destroy();
    } else if (this.#state === 'open') {
      if (this.#open > 0) return;
      this.retire();
      this.deadlineMs = this.#deadlines.nowMs + LINGER_MS;
    } else {
      this.#socket.destroy();
    }
  }

  #onReady(): void {
    if (this.#state !== 'connecting' || this.#session.destroyed) return;
    this.#state = 'open';
    this.deadlineMs = this.#deadlines.nowMs + this.#limits.idleTimeoutMs;
    this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    const users = [...this.#waiting];
    this.#waiting.clear();
    for (const user of users) user.onConnected(this);
    if (this.#isLeaving) this.retire();
  }

  #onClose(): void {
    const wasConnecting = this.#state === 'connecting';
    this.#state = 'closed';
    this.#deadlines.delete(this);
    this.#onClosed(this);
    if (wasConnecting) this.#failWaiting(this.#error ?? new Error('connection closed'), false);
  }

  #failWaiting(error: Error, timedOut: boolean): void {
    const users = [...this.#waiting];
    this.#waiting.clear();
    for (const user of users) user.onConnectFailed(error, timedOut);
  }
}

function sessionOptions(socket: Socket, limits: SessionLimits): ClientSessionOptions {
  const options: ClientSessionOptions & { strictSingleValueFields: boolean } = {
    createConnection: () => socket,
    settings: { enablePush: false, maxHeaderListSize: limits.headBytesMax },
    maxHeaderListPairs: limits.headersMax,
    maxSessionMemory: MEMORY_MAX_MB,
    // what the client sends twice goes through twice, as over HTTP/1
    strictSingleValueFields: false,
  };
  return options;
}
