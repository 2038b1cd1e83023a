import { isUtf8 } from 'node:buffer';
import { contextKey } from '@polygate/plugin-sdk';
import type { RequestContext } from '@polygate/plugin-sdk';
import type { Condition } from './log-entry-condition.ts';
import { decoderOf } from '../response-rewrite/content-decoding.ts';

/** Of a compressed body, whatever is asked for: a few bytes can grow to any size. */
const DECODED_BYTES_MAX = 4 * 1024 * 1024;

interface Captured {
  readonly isWanted: boolean;
  readonly chunks: Buffer[];
  bytes: number;
}

/** Copies the first bytes of response bodies while they pass. */
export class ResponseCapture {
  readonly #bytesMax: number;
  readonly #wanted: Condition | undefined;
  readonly #captured = contextKey<Captured>('log-entry-response-body');

  constructor(bytesMax: number, wanted: Condition | undefined) {
    this.#bytesMax = bytesMax;
    this.#wanted = wanted;
  }

  take(ctx: RequestContext, chunk: Buffer): void {
    let captured = ctx.get(this.#captured);
    if (captured === undefined) {
      captured = { isWanted: this.#wanted?.(ctx) ?? true, chunks: [], bytes: 0 };
      ctx.set(this.#captured, captured);
    }
    const room = this.#bytesMax - captured.bytes;
    if (!captured.isWanted || room <= 0 || chunk.length === 0) return;
    // a copy: the memory is the engine's again after this call
    const copy = Buffer.from(chunk.subarray(0, room));
    captured.chunks.push(copy);
    captured.bytes += copy.length;
  }

  /** Undefined where the body was not wanted, or there was none. */
  text(ctx: RequestContext): string | undefined {
    const captured = ctx.get(this.#captured);
    if (captured === undefined || !captured.isWanted) return undefined;
    const body = this.#decode(ctx, Buffer.concat(captured.chunks));
    return body.toString(isUtf8(body) ? 'utf8' : 'latin1');
  }

  /** What cannot be decoded is logged as it is. */
  #decode(ctx: RequestContext, body: Buffer): Buffer {
    const encoding = ctx.response.headers.get('content-encoding');
    if (encoding === undefined || body.length === 0) return body;
    const decode = decoderOf(encoding);
    if (decode === undefined) {
      ctx.log.warn(`unsupported compression encoding type: ${encoding}`);
      return body;
    }
    try {
      return decode(body, DECODED_BYTES_MAX).subarray(0, this.#bytesMax);
    } catch (error) {
      ctx.log.warn(`try decode compressed data err: ${String(error)}`);
      return body;
    }
  }
}
