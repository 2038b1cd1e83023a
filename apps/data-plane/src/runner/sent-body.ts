import { contextKey, GatewayError } from '@polygate/plugin-sdk';
import type { BodyObserver, RequestContext } from '@polygate/plugin-sdk';

const SENT_BODY = contextKey<SentBody>('ext-plugin-sent-body');

/**
 * A copy of a request body that goes to the node as it comes: when a runner asks for it, about the
 * answer, the body itself is gone. APISIX reads all of it before it sends anything.
 */
class SentBody implements BodyObserver {
  readonly #bytesMax: number;
  readonly #whole = Promise.withResolvers<Buffer>();
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    // most plugins never ask
    this.#whole.promise.catch(() => undefined);
  }

  get whole(): Promise<Buffer> {
    return this.#whole.promise;
  }

  onChunk(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#bytesMax) {
      this.#chunks.push(Buffer.from(chunk));
      return;
    }
    this.#chunks = [];
    const text = `the max length of data is ${this.#bytesMax} but got more`;
    this.#whole.reject(new GatewayError('REQUEST_BODY_TOO_LARGE', text));
  }

  onEnd(): void {
    if (this.#bytes <= this.#bytesMax) this.#whole.resolve(Buffer.concat(this.#chunks));
  }

  onCut(): void {
    this.#whole.reject(new GatewayError('REQUEST_MALFORMED', 'the request body was cut short'));
  }
}

/** Before each try to send the request: what the last one left is what counts. */
export function keepSentBody(ctx: RequestContext, bytesMax: number): void {
  const body = new SentBody(bytesMax);
  ctx.set(SENT_BODY, body);
  ctx.request.observeBody(body);
}

/** Undefined: it was not sent piece by piece, and can be read. */
export function sentBody(ctx: RequestContext): Promise<Buffer> | undefined {
  return ctx.get(SENT_BODY)?.whole;
}
