import { HeaderList, HOP_BY_HOP } from '@polygate/plugin-sdk';
import { CR, latin1Text, LF } from './byte-class.ts';
import { ChunkLine } from './chunk-line.ts';
import { FieldBlock } from './field-block.ts';
import { HeldBytes } from './held-bytes.ts';
import { Http1Error } from './http1-error.ts';

/** Takes the data of a chunked body, in order; the memory is the caller's again when it returns. */
export interface ChunkSink {
  /** Data is buffer[from..to). False: stop behind it, go on later. */
  onBodyBytes(buffer: Buffer, from: number, to: number): boolean;
}

export interface TrailerLimits {
  /** Of the trailer section with its empty line. */
  readonly trailerBytesMax: number;
  readonly trailersMax: number;
}

/** Of clients and of nodes. */
export const TRAILER_LIMITS: TrailerLimits = { trailerBytesMax: 8192, trailersMax: 32 };

/** More is needed. */
const MORE = -1;
/** The sink asked to stop. */
const STOPPED = -2;

/** What the next byte belongs to. */
const CHUNK_LINE = 0;
const DATA = 1;
const DATA_CR = 2;
const DATA_LF = 3;
const TRAILERS_START = 4;
const TRAILERS = 5;
const ENDED = 6;

/**
 * RFC 9110 section 6.5.1: what frames, routes, authenticates or describes the content must not come
 * behind it, where nobody checked it. `content-*` names are dropped as well.
 */
const NOT_IN_TRAILERS = new Set([
  ...HOP_BY_HOP,
  ...['host', 'expect', 'max-forwards', 'range', 'cache-control', 'authorization', 'cookie'],
  ...['set-cookie', 'proxy-authorization', 'proxy-authenticate', 'www-authenticate', 'location'],
  ...['authentication-info', 'proxy-authentication-info', 'forwarded', 'via', 'x-real-ip', 'age'],
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto', 'vary'],
]);

/** Reads a chunked body, RFC 9112 section 7.1, from pieces that are cut anywhere. */
export class ChunkedDecoder {
  /** After -2: where to go on from. */
  position = 0;
  /** After the end; undefined: none. Names that mean nothing good behind a body are dropped. */
  trailers: HeaderList | undefined = undefined;
  readonly #limits: TrailerLimits;
  readonly #line = new ChunkLine();
  #state = CHUNK_LINE;
  /** Bytes of the chunk still to come. */
  #left = 0;
  /** Made for the first body that has trailers: hardly any has. */
  #fields: FieldBlock | undefined = undefined;
  #held: HeldBytes | undefined = undefined;

  constructor(limits: TrailerLimits) {
    this.#limits = limits;
  }

  /** Ready for the next body. */
  reset(): void {
    this.trailers = undefined;
    this.#state = CHUNK_LINE;
    this.#left = 0;
    this.#line.reset();
    this.#fields = undefined;
    this.#held = undefined;
  }

  /**
   * Reads buffer[start..end). The offset behind the body once it ended, trailers included; -1: all of it
   * was taken and more is needed; -2: the sink asked to stop, go on from `position` (which may be
   * `end`). Throws `Http1Error`.
   */
  decode(buffer: Buffer, start: number, end: number, sink: ChunkSink): number {
    let p = start;
    while (p < end) {
      if (this.#state === CHUNK_LINE) {
        p = this.#line.scan(buffer, p, end);
        if (p === -1) return MORE;
        this.#left = this.#line.size;
        this.#state = this.#left === 0 ? TRAILERS_START : DATA;
      } else if (this.#state === DATA) {
        const to = Math.min(end, p + this.#left);
        this.#left -= to - p;
        if (this.#left === 0) this.#state = DATA_CR;
        if (!sink.onBodyBytes(buffer, p, to)) {
          this.position = to;
          return STOPPED;
        }
        p = to;
      } else if (this.#state === DATA_CR) {
        if (buffer[p++] !== CR) throw new Http1Error(400, 'chunk is longer than its size');
        this.#state = DATA_LF;
      } else if (this.#state === DATA_LF) {
        if (buffer[p++] !== LF) throw new Http1Error(400, 'CR without LF in a chunk');
        this.#line.begin();
        this.#state = CHUNK_LINE;
      } else {
        return this.#decodeTrailers(buffer, p, end);
      }
    }
    return MORE;
  }

  #decodeTrailers(buffer: Buffer, start: number, end: number): number {
    if (this.#state === ENDED) throw new Error('the body has ended: reset comes first');
    if (this.#state === TRAILERS_START) {
      this.#state = TRAILERS;
      const isPlainEnd = buffer[start] === CR && start + 1 < end && buffer[start + 1] === LF;
      if (isPlainEnd) {
        this.#state = ENDED;
        return start + 2;
      }
    }
    const { trailerBytesMax, trailersMax } = this.#limits;
    const fields = (this.#fields ??= new FieldBlock(trailersMax, true, undefined));
    const held = (this.#held ??= new HeldBytes(trailerBytesMax));
    const before = held.length;
    held.append(buffer, start, end);
    const done = this.#scanTrailers(fields, held, before);
    if (done === -1) return MORE;
    this.trailers = kept(fields.takeHeaders(latin1Text(held.buffer, 0, done)));
    this.#state = ENDED;
    return start + (done - before);
  }

  #scanTrailers(fields: FieldBlock, held: HeldBytes, from: number): number {
    const done = fields.scan(held.buffer, 0, from, held.length);
    if (done === -1 && held.length === this.#limits.trailerBytesMax) {
      throw new Http1Error(431, 'trailers are too long');
    }
    return done;
  }
}

function kept(fields: HeaderList): HeaderList | undefined {
  const trailers = new HeaderList();
  fields.forEach((name, value, lower) => {
    if (!NOT_IN_TRAILERS.has(lower) && !lower.startsWith('content-')) {
      trailers.appendKnown(name, lower, value);
    }
  });
  return trailers.size === 0 ? undefined : trailers;
}
