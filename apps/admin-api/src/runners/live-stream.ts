import { PassThrough } from 'node:stream';
import type { AdminContext } from '../middleware/admin-state.ts';

/** A gRPC stream, as far as it matters here. */
interface MessageStream<M> {
  on(event: 'data', listener: (message: M) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  cancel(): void;
}

/** What the client is told of a message, and of the end by an error. */
interface MessageWords<M> {
  readonly describe: (message: M) => object;
  readonly onError: (error: Error) => object;
}

const HEARTBEAT_MS = 15_000;

/**
 * An answer that goes on for as long as the client wants: a JSON object a line, or events for who
 * says `Accept: text/event-stream`. A client that reads slowly slows the streams it is fed from.
 */
export class LiveStream {
  readonly #body = new PassThrough();
  readonly #asEvents: boolean;
  readonly #heartbeat: NodeJS.Timeout | undefined;
  #following = 0;

  constructor(ctx: AdminContext) {
    this.#asEvents = ctx.get('Accept').toLowerCase().includes('text/event-stream');
    ctx.status = 200;
    ctx.body = this.#body;
    ctx.set({
      'Content-Type': this.#asEvents ? 'text/event-stream' : 'application/x-ndjson',
      'Cache-Control': 'no-store',
    });
    // The client has to know that it is being answered before there is anything to tell.
    ctx.flushHeaders();
    if (!this.#asEvents) return;
    this.#heartbeat = setInterval(() => this.#body.write(':\n\n'), HEARTBEAT_MS).unref();
    this.#body.on('close', () => clearInterval(this.#heartbeat));
  }

  /** Called when the client has gone, or `end` was called. */
  onClose(listener: () => void): void {
    this.#body.once('close', listener);
  }

  /** Returns false when the client has to be waited for. */
  write(value: object): boolean {
    if (this.#body.writableEnded) return true;
    const text = JSON.stringify(value);
    return this.#body.write(this.#asEvents ? `data: ${text}\n\n` : `${text}\n`);
  }

  /** Passes on what comes, until the client has gone. Ends when all that it follows have ended. */
  follow<M>(messages: MessageStream<M>, { describe, onError }: MessageWords<M>): void {
    this.#following += 1;
    let hasEnded = false;
    const end = (): void => {
      if (hasEnded) return;
      hasEnded = true;
      this.#following -= 1;
      if (this.#following === 0) this.end();
    };
    messages.on('data', (message) => {
      if (this.write(describe(message))) return;
      messages.pause();
      this.#body.once('drain', () => messages.resume());
    });
    messages.on('error', (error) => {
      if (!this.#body.destroyed && !this.#body.writableEnded) this.write(onError(error));
      end();
    });
    messages.on('end', end);
    this.onClose(() => messages.cancel());
  }

  end(): void {
    this.#body.end();
  }
}
