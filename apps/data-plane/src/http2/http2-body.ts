import type { ServerHttp2Stream } from 'node:http2';
import { GatewayError } from '@polygate/plugin-sdk';
import type { HeaderList } from '@polygate/plugin-sdk';
import type { BodySink, RequestBody } from '../request/exchange.ts';
import { requestBodyTooLarge } from '../request/request-body-too-large.ts';
import { readTrailers } from './request-head.ts';

/** Of a request whose head was also its end. */
export const NO_BODY: RequestBody = emptyBody(false, undefined);
/** `Content-Length: 0`. */
export const EMPTY_BODY: RequestBody = emptyBody(true, 0);

export interface BodyRules {
  /** Infinity: no limit. */
  readonly bytesMax: number;
  /** Between two reads. */
  readonly timeoutMs: number;
  nowMs(): number;
  countPayload(bytes: number): void;
}

/**
 * What comes in DATA frames. The client's window opens as chunks are taken: one that nobody reads stops
 * after the first window. nghttp2 resets a stream whose length is not its Content-Length.
 */
export class Http2RequestBody implements RequestBody {
  readonly present = true;
  readonly length: number | undefined;
  complete: Buffer | undefined = undefined;
  /** When the next piece must be there; Infinity: nobody waits for one. */
  deadlineMs = Infinity;
  bytesReceived = 0;
  readonly #stream: ServerHttp2Stream;
  readonly #rules: BodyRules;
  #sink: BodySink | undefined;
  #isListening = false;
  #failure: Error | undefined;
  /** What came before anybody asked. */
  #early: Buffer[] = [];
  #trailers: HeaderList | undefined;
  #state: 'open' | 'ended' | 'failed' = 'open';

  constructor(stream: ServerHttp2Stream, length: number | undefined, rules: BodyRules) {
    this.#stream = stream;
    this.length = length;
    this.#rules = rules;
  }

  /** All of it came. */
  get isWhole(): boolean {
    return this.#state === 'ended';
  }

  readAll(bytesMax: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.length !== undefined && this.length > bytesMax) {
        reject(requestBodyTooLarge(bytesMax));
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      this.stream({
        write: (chunk) => {
          size += chunk.length;
          if (size <= bytesMax) return chunks.push(chunk) > 0;
          this.#state = 'failed';
          reject(requestBodyTooLarge(bytesMax));
          return false;
        },
        end: () => resolve(Buffer.concat(chunks, size)),
        fail: reject,
      });
    });
  }

  /**
   * Gives a small body the time to arrive that its head took: it mostly comes in the same packet. One
   * that is complete can be sent again. `onReady` is called once, with the body complete or not.
   */
  gather(onReady: () => void): void {
    let isReady = false;
    const ready = (): void => {
      if (isReady) return;
      isReady = true;
      this.#sink = undefined;
      this.deadlineMs = Infinity;
      if (this.#state === 'open') this.#stream.pause();
      onReady();
    };
    this.#sink = {
      write: (chunk) => this.#early.push(chunk) > 0,
      end: (trailers) => {
        if (trailers === undefined) this.complete = Buffer.concat(this.#early);
        ready();
      },
      fail: ready,
    };
    this.#listen();
    setImmediate(ready);
  }

  stream(sink: BodySink): void {
    const stream = this.#stream;
    if (this.#failure !== undefined) {
      sink.fail(this.#failure);
      return;
    }
    const isOver = this.#state === 'ended';
    if (!isOver && (stream.destroyed || stream.closed)) {
      this.#sink = sink;
      this.streamClosed();
      return;
    }
    let mayGoOn = true;
    for (const chunk of this.#early.splice(0)) mayGoOn = sink.write(chunk);
    if (isOver) {
      sink.end(this.#trailers);
      return;
    }
    this.#sink = sink;
    this.#listen();
    if (mayGoOn) this.resume();
    else stream.pause();
  }

  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    const stream = this.#stream;
    this.#wait();
    stream.on('trailers', (_headers: unknown, _flags: unknown, raw: readonly string[]) => {
      this.#trailers = readTrailers(raw);
    });
    stream.on('end', () => this.#onEnd());
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
  }

  resume(): void {
    if (this.#state !== 'open') return;
    this.#wait();
    this.#stream.resume();
  }

  /** The stream is gone, with or without the rest of the body. */
  streamClosed(): void {
    this.#fail(new GatewayError('REQUEST_ABORTED', 'the client went away during its request'));
  }

  timedOut(): void {
    this.#stream.pause();
    this.#fail(new GatewayError('REQUEST_BODY_TIMEOUT', 'the client stopped sending its request'));
  }

  #onData(chunk: Buffer): void {
    if (this.#state !== 'open') return;
    this.bytesReceived += chunk.length;
    this.#rules.countPayload(chunk.length);
    const { bytesMax } = this.#rules;
    if (this.bytesReceived > bytesMax) {
      this.#stream.pause();
      this.#fail(requestBodyTooLarge(bytesMax));
      return;
    }
    if (this.#sink?.write(chunk) === true) {
      this.#wait();
      return;
    }
    this.deadlineMs = Infinity;
    this.#stream.pause();
  }

  #onEnd(): void {
    // node:http2 ends a stream that was reset with NO_ERROR as if the body were whole
    if (this.#stream.aborted || (this.length ?? this.bytesReceived) !== this.bytesReceived) {
      this.streamClosed();
      return;
    }
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.deadlineMs = Infinity;
    this.#sink?.end(this.#trailers);
  }

  #wait(): void {
    this.deadlineMs = this.#rules.nowMs() + this.#rules.timeoutMs;
  }

  #fail(error: GatewayError): void {
    if (this.#state !== 'open') return;
    this.#state = 'failed';
    this.#failure = error;
    this.deadlineMs = Infinity;
    this.#sink?.fail(error);
  }
}

function emptyBody(present: boolean, length: number | undefined): RequestBody {
  const bytes = Buffer.alloc(0);
  return {
    present,
    length,
    complete: present ? bytes : undefined,
    readAll: () => Promise.resolve(bytes),
    stream: (sink) => sink.end(),
    resume: () => undefined,
  };
}
