import { ChunkedDecoder, TRAILER_LIMITS } from '../http1/chunked-decoder.ts';
import type { BodySink, RequestBody } from '../request/exchange.ts';
import { requestBodyTooLarge } from '../request/request-body-too-large.ts';

/** What the body needs of its connection. */
export interface BodySource {
  /** Somebody takes the body now: bytes held back are wanted. */
  bodyWanted(): void;
}

export const NO_BODY: RequestBody = {
  present: false,
  length: undefined,
  complete: undefined,
  readAll: () => Promise.resolve(Buffer.alloc(0)),
  stream: (sink) => sink.end(),
  resume: () => undefined,
};

/** A request body of HTTP/1, by Content-Length or in chunks. */
export class Http1RequestBody implements RequestBody {
  readonly present = true;
  readonly length: number | undefined;
  complete: Buffer | undefined = undefined;
  /** All bytes have been read from the connection. */
  isRead = false;
  bytesRead = 0;
  readonly #source: BodySource;
  readonly #bytesMax: number;
  readonly #decoder: ChunkedDecoder | undefined;
  #sink: BodySink | undefined = undefined;
  #isPaused = false;
  #failure: Error | undefined = undefined;

  constructor(source: BodySource, length: number | undefined, bytesMax: number) {
    this.#source = source;
    this.length = length;
    this.#bytesMax = bytesMax;
    this.#decoder = length === undefined ? new ChunkedDecoder(TRAILER_LIMITS) : undefined;
  }

  /** Whether bytes may come now. */
  get isFlowing(): boolean {
    return this.#sink !== undefined && !this.#isPaused;
  }

  /** Whether somebody waits for the client's bytes. */
  get isAwaited(): boolean {
    return !this.isRead && this.isFlowing;
  }

  /** The rest is read and dropped: nobody wants it any more. */
  drop(): void {
    this.#sink = { write: () => true, end: () => undefined, fail: () => undefined };
    this.#isPaused = false;
  }

  /** Takes the whole body where it lies in these bytes. Returns the offset behind what was taken. */
  takeWhole(buffer: Buffer, start: number, end: number): number {
    const { length } = this;
    if (length === undefined || end - start < length || length > this.#bytesMax) return start;
    this.complete = Buffer.from(buffer.subarray(start, start + length));
    this.bytesRead = length;
    this.isRead = true;
    return start + length;
  }

  /**
   * Takes bytes of the connection, to be called while `isFlowing`. Returns the offset behind what was
   * taken. Throws an Http1Error.
   */
  feed(buffer: Buffer, start: number, end: number): number {
    if (this.#decoder === undefined) {
      const taken = Math.min(end - start, (this.length as number) - this.bytesRead);
      this.onBodyBytes(buffer, start, start + taken);
      if (this.bytesRead === this.length) this.#finish();
      return start + taken;
    }
    const next = this.#decoder.decode(buffer, start, end, this);
    if (next === -1) return end;
    if (next === -2) return this.#decoder.position;
    this.#finish();
    return next;
  }

  /** From the decoder. The memory is the connection's: the sink gets a copy. */
  onBodyBytes(buffer: Buffer, from: number, to: number): boolean {
    if (to === from) return true;
    this.bytesRead += to - from;
    if (this.bytesRead > this.#bytesMax) {
      this.fail(requestBodyTooLarge(this.#bytesMax));
      return true;
    }
    const chunk = Buffer.from(buffer.subarray(from, to));
    this.#isPaused = this.#sink?.write(chunk) === false;
    return !this.#isPaused;
  }

  fail(error: Error): void {
    if (this.#failure !== undefined || this.isRead) return;
    this.#failure = error;
    const sink = this.#sink;
    this.drop();
    sink?.fail(error);
  }

  stream(sink: BodySink): void {
    if (this.#failure !== undefined) {
      sink.fail(this.#failure);
    } else if (this.complete !== undefined) {
      if (this.complete.length > 0) sink.write(this.complete);
      sink.end();
    } else {
      this.#sink = sink;
      this.#source.bodyWanted();
    }
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#source.bodyWanted();
  }

  readAll(bytesMax: number): Promise<Buffer> {
    const { complete, length } = this;
    if ((complete?.length ?? length ?? 0) > bytesMax) {
      return Promise.reject(requestBodyTooLarge(bytesMax));
    }
    if (complete !== undefined) return Promise.resolve(complete);
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      this.stream({
        write: (chunk) => {
          size += chunk.length;
          if (size <= bytesMax) chunks.push(chunk);
          else this.fail(requestBodyTooLarge(bytesMax));
          return true;
        },
        end: () => resolve(Buffer.concat(chunks, size)),
        fail: reject,
      });
    });
  }

  #finish(): void {
    if (this.isRead) return;
    this.isRead = true;
    if (this.#failure === undefined) this.#sink?.end(this.#decoder?.trailers);
  }
}
