import { connect, type Socket } from 'node:net';
import { FrameDecoder, ProtocolError, type Frame } from '@polygate/runner-protocol';

/** Answers to a runner that asks and does not read; beyond this it is cut off. */
const UNSENT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The Go runner up to 0.5.0 and the Python runner take one `read` for a whole frame, and get what
 * has arrived by then. A frame up to here arrives whole: Linux queues it as one piece.
 */
const WHOLE_FRAME_BYTES_MAX = 32_768;

/** One call's use of a connection. */
export interface Exchange {
  /** Returns true when this was the last frame: `onEnd` follows when the connection is free. */
  onFrame(frame: Frame): boolean;
  onEnd(frame: Frame): void;
  /** The connection is gone. */
  onLost(why: string, loss: Loss): void;
}

export interface Loss {
  /** Any byte had come since the exchange began. */
  readonly answered: boolean;
  /** In the middle of a frame, or for what came in one: part of an answer was there. */
  readonly inFrame: boolean;
  /** The system took nothing of the request: nobody was there any more. */
  readonly neverSent: boolean;
}

/**
 * A connection to the runner; one call at a time. Whatever is not by the book (a frame nobody waits
 * for, bytes after the last frame, an end in between) destroys it: a stream out of step cannot be
 * brought back in step.
 */
export class RunnerConnection {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #onClosed: (connection: RunnerConnection) => void;
  #exchange: Exchange | undefined;
  #answered = false;
  /** Within the exchange. */
  #writes = 0;
  #closed = false;
  #reusable = true;
  /** Calls that ended well on it. */
  callsServed = 0;
  idleSinceMs = 0;

  constructor(opened: RunnerSocket, onClosed: (connection: RunnerConnection) => void) {
    const { socket } = opened;
    this.#socket = socket;
    this.#onClosed = onClosed;
    opened.onBytes = (chunk) => this.#receive(chunk);
    socket.on('end', () =>
      this.#lose(this.#decoder.unfinishedBytes > 0 ? 'data truncated' : 'closed'),
    );
    socket.on('error', (error: NodeJS.ErrnoException) => this.#loseBy(error));
    socket.on('close', () => this.#lose('closed'));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * False after a frame that a runner may have read in part: it would take the rest for the next
   * call.
   */
  get reusable(): boolean {
    return this.#reusable && !this.#closed;
  }

  /** Above 0 when the runner speaks: it has not read what we said. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  begin(exchange: Exchange, request: Buffer): void {
    this.#exchange = exchange;
    this.#answered = false;
    this.#writes = 0;
    this.#write(request);
  }

  /** Within an exchange: the answer to a question. */
  write(frame: Buffer): void {
    this.#write(frame);
    if (this.#socket.writableLength > UNSENT_BYTES_MAX)
      this.#lose('the runner does not read', true);
  }

  /** Ends the exchange without a word to its owner, who wants it so. */
  destroy(): void {
    this.#exchange = undefined;
    this.#lose('closed');
  }

  /** Ends it and tells the owner of the exchange why. */
  fail(why: string, inFrame = true): void {
    this.#lose(why, inFrame);
  }

  #write(frame: Buffer): void {
    if (frame.length > WHOLE_FRAME_BYTES_MAX) this.#reusable = false;
    this.#writes += 1;
    this.#socket.write(frame);
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    this.#answered = true;
    let frames: Frame[];
    try {
      frames = this.#decoder.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return this.#lose(error.message, true);
    }
    let finished: Exchange | undefined;
    let last: Frame | undefined;
    for (const frame of frames) {
      const exchange = this.#exchange;
      if (exchange === undefined) {
        this.#lose('a frame that nobody asked for');
        break;
      }
      if (!exchange.onFrame(frame)) continue;
      this.#exchange = undefined;
      this.callsServed += 1;
      finished = exchange;
      last = frame;
    }
    if (this.#exchange === undefined && this.#decoder.unfinishedBytes > 0) {
      this.#lose('bytes after the last frame');
    }
    if (last !== undefined) finished?.onEnd(last);
  }

  #loseBy(error: NodeJS.ErrnoException): void {
    // Of a frame that goes in one piece all was taken or nothing; of a longer one nobody knows.
    const neverSent = error.code === 'EPIPE' && this.#writes === 1 && this.#reusable;
    this.#lose(socketErrorText(error), this.#decoder.unfinishedBytes > 0, neverSent);
  }

  #lose(why: string, inFrame = this.#decoder.unfinishedBytes > 0, neverSent = false): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#onClosed(this);
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.onLost(why, { answered: this.#answered, inFrame, neverSent });
  }
}

/** An open socket that nobody reads yet. */
export interface RunnerSocket {
  readonly socket: Socket;
  /** Gets what comes, in memory of its own. */
  onBytes: (chunk: Buffer) => void;
}

/**
 * All sockets read into this one. Node would make 64 KiB for each read, of which an answer takes a
 * hundred bytes: a third of what a call cost was making and collecting them.
 */
const READ_BUFFER = Buffer.alloc(65_536);

/** Opens a connection. Rejects with nginx's words for the error, as APISIX logs them. */
export function openRunnerSocket(path: string, timeoutMs: number): Promise<RunnerSocket> {
  return new Promise((resolve, reject) => {
    const onread = {
      buffer: READ_BUFFER,
      callback: (bytes: number) => {
        const chunk = Buffer.allocUnsafe(bytes);
        READ_BUFFER.copy(chunk, 0, 0, bytes);
        opened.onBytes(chunk);
        return true;
      },
    };
    const socket = connect({ path, onread });
    const opened: RunnerSocket = { socket, onBytes: () => undefined };
    const timer = setTimeout(() => fail(new Error('timeout')), timeoutMs);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(socketErrorText(error), { cause: error }));
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(opened);
    });
  });
}

const errorTexts: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EPIPE: 'broken pipe',
  EACCES: 'permission denied',
  EAGAIN: 'resource temporarily unavailable',
};

function socketErrorText(error: NodeJS.ErrnoException): string {
  return errorTexts[error.code ?? ''] ?? error.message;
}
