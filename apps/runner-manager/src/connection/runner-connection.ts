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
  /** Returns true when this was the last frame: the connection is free from then on. */
  onFrame(frame: Frame): boolean;
  /** The connection is gone. `answered` tells whether any byte had come since the call began. */
  onLost(why: string, answered: boolean): void;
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
  #closed = false;
  #reusable = true;
  /** Calls that ended well on it. */
  callsServed = 0;
  idleSinceMs = 0;

  constructor(socket: Socket, onClosed: (connection: RunnerConnection) => void) {
    this.#socket = socket;
    this.#onClosed = onClosed;
    socket.on('data', (chunk) => this.#receive(chunk as Buffer));
    socket.on('end', () =>
      this.#lose(this.#decoder.unfinishedBytes > 0 ? 'data truncated' : 'closed'),
    );
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(socketErrorText(error)));
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
    this.#write(request);
  }

  /** Within an exchange: the answer to a question. */
  write(frame: Buffer): void {
    this.#write(frame);
    if (this.#socket.writableLength > UNSENT_BYTES_MAX) this.#lose('the runner does not read');
  }

  /** Ends the exchange without a word to its owner, who wants it so. */
  destroy(): void {
    this.#exchange = undefined;
    this.#lose('closed');
  }

  /** Ends it and tells the owner of the exchange why. */
  fail(why: string): void {
    this.#lose(why);
  }

  #write(frame: Buffer): void {
    if (frame.length > WHOLE_FRAME_BYTES_MAX) this.#reusable = false;
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
      return this.#lose(error.message);
    }
    for (const frame of frames) {
      const exchange = this.#exchange;
      if (exchange === undefined) return this.#lose('a frame that nobody asked for');
      if (!exchange.onFrame(frame)) continue;
      this.#exchange = undefined;
      this.callsServed += 1;
    }
    if (this.#exchange === undefined && this.#decoder.unfinishedBytes > 0) {
      this.#lose('bytes after the last frame');
    }
  }

  #lose(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#onClosed(this);
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.onLost(why, this.#answered);
  }
}

/** Opens a connection. Rejects with nginx's words for the error, as APISIX logs them. */
export function openRunnerSocket(path: string, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
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
      resolve(socket);
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
