import { GatewayError } from '@polygate/plugin-sdk';
import type { HeaderList, LocalReply } from '@polygate/plugin-sdk';
import { describeError } from '../pipeline/describe-error.ts';
import { runRequestPhase } from '../pipeline/run-phase.ts';
import type { PhaseResult } from '../pipeline/run-phase.ts';
import type { HeldBody } from '../request/client-response.ts';
import type { GatewayContext } from '../request/gateway-context.ts';

/**
 * What is taken of a body that nobody has asked for yet. An answer that is said to be no longer is
 * held until it is whole, so that one cut short becomes a 502: APISIX reads as much before it sends.
 */
const AHEAD_BYTES_MAX = 64 * 1024;

/** Where the answer goes, and where it comes from. */
export interface AnswerWay {
  /** A plugin answers in its place. */
  reply(reply: LocalReply): void;
  /** Status, headers and body are what plugins want. `isEmpty`: there is no body. */
  sendHead(isEmpty: boolean): void;
  /** False: not before `drained`. */
  send(chunk: Buffer): boolean;
  end(trailers: HeaderList | undefined): void;
  /** What is sent, or whose end is awaited, went wrong. */
  fail(error: unknown): void;
  /** The node may go on. */
  resume(): void;
  /** Nothing more of the node is wanted. */
  cancel(): void;
}

/**
 * An upstream's answer that waits for the plugins of the `response` phase: keeps what has come of the
 * body and slows the node down. Afterwards it lets the body out, and is done when nothing is kept.
 */
export class HeldAnswer implements HeldBody {
  readonly #ctx: GatewayContext;
  readonly #way: AnswerWay;
  readonly #bytesMax: number;
  readonly #saidBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #limitBytes = AHEAD_BYTES_MAX;
  #isPaused = false;
  #isEnded = false;
  #trailers: HeaderList | undefined = undefined;
  #replacement: Buffer | undefined = undefined;
  #reader: PromiseWithResolvers<Buffer> | undefined = undefined;
  #isAwaited = false;
  /** Why the rest of it will not come, and the client gets another answer. */
  #cutError: GatewayError | undefined = undefined;
  #isOpen = false;
  #isClientFull = false;

  /** `bytesMax`: of any body that is read as a whole. */
  constructor(ctx: GatewayContext, bytesMax: number, way: AnswerWay) {
    this.#ctx = ctx;
    this.#way = way;
    this.#bytesMax = bytesMax;
    const isBodiless = ctx.request.method === 'HEAD' || ctx.response.status === 304;
    const said = isBodiless ? undefined : ctx.response.headers.getKnown('content-length');
    this.#saidBytes = said === undefined ? Infinity : Number(said);
  }

  /** Runs the handlers, then lets the answer go. */
  start(): void {
    const ctx = this.#ctx;
    ctx.response.heldBody = this;
    const pending = runResponseHandlers(ctx);
    if (!(pending instanceof Promise)) {
      this.#afterHandlers(pending);
      return;
    }
    pending.then(
      (reply) => this.#afterHandlers(reply),
      (error: unknown) => this.#way.fail(error),
    );
  }

  /** Nothing is kept: chunks may go past it. */
  get isDone(): boolean {
    return this.#isOpen && !this.#isClientFull && this.#bytes === 0;
  }

  // ---- for plugins

  read(bytesMax = this.#bytesMax): Promise<Buffer> {
    if (this.#replacement !== undefined) return Promise.resolve(this.#replacement);
    if (this.#cutError !== undefined) return Promise.reject(this.#cutError);
    this.#limitBytes = Math.max(this.#limitBytes, Math.min(bytesMax, this.#bytesMax));
    const { promise } = (this.#reader ??= Promise.withResolvers());
    // A cut that comes when nobody waits any more is told to the client in another way.
    promise.catch(() => undefined);
    if (this.#isEnded) this.#giveWhole();
    else if (this.#bytes > this.#limitBytes) this.#refuse();
    else this.#goOn();
    return promise.then((body) => (body.length > bytesMax ? tooLarge(bytesMax) : body));
  }

  set(body: Buffer): void {
    this.#replacement = body;
  }

  // ---- from the upstream

  /** Copies. False: paused. */
  take(chunk: Buffer): boolean {
    this.#chunks.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
    if (this.#isOpen) return this.#pause();
    if (this.#bytes <= this.#limitBytes) return true;
    if (this.#reader !== undefined) this.#refuse();
    this.#pause();
    if (this.#isAwaited) this.#open();
    return !this.#isPaused;
  }

  ended(trailers: HeaderList | undefined): void {
    this.#isEnded = true;
    this.#trailers = trailers;
    if (this.#reader !== undefined) this.#giveWhole();
    if (this.#isAwaited) this.#open();
    else if (this.#isOpen) this.#letOut();
  }

  /** The flow has another answer for the client. */
  cut(cause: unknown): void {
    const message = `read response failed: ${describeError(cause)}`;
    this.#cutError = new GatewayError('UPSTREAM_PROTOCOL', message, { cause });
    this.#reader?.reject(this.#cutError);
  }

  // ---- afterwards

  /** Whether there is anybody to hold it for. */
  static isWanted({ chain, globalRules }: GatewayContext): boolean {
    return chain.response.length > 0 || globalRules.response.length > 0;
  }

  #afterHandlers(reply: LocalReply | undefined): void {
    this.#ctx.response.heldBody = undefined;
    if (this.#cutError !== undefined) return;
    if (reply !== undefined) {
      if (!this.#isEnded) this.#way.cancel();
      this.#way.reply(reply);
      return;
    }
    const isShort = this.#saidBytes <= AHEAD_BYTES_MAX && this.#bytes <= AHEAD_BYTES_MAX;
    if (isShort && !this.#isEnded && this.#replacement === undefined) this.#isAwaited = true;
    else this.#open();
  }

  #open(): void {
    this.#isAwaited = false;
    this.#isOpen = true;
    try {
      if (this.#replacement !== undefined) this.#replace(this.#replacement);
      const isEmpty = this.#isEnded && this.#bytes === 0;
      if (this.#ctx.response.status === 204) this.#ctx.response.headers.delete('Content-Length');
      this.#way.sendHead(isEmpty);
      this.#letOut();
    } catch (error) {
      this.#way.fail(error);
    }
  }

  #replace(body: Buffer): void {
    if (!this.#isEnded) this.#way.cancel();
    this.#isEnded = true;
    this.#chunks = [body];
    this.#bytes = body.length;
    this.#ctx.response.headers.set('Content-Length', String(body.length));
  }

  /** The client takes more. */
  drained(): void {
    this.#isClientFull = false;
    this.#letOut();
  }

  #letOut(): void {
    if (this.#isClientFull) return;
    if (this.#bytes > 0) {
      const body = Buffer.concat(this.#chunks, this.#bytes);
      this.#chunks = [];
      this.#bytes = 0;
      this.#isClientFull = !this.#way.send(body);
      if (this.#isClientFull) return;
    }
    if (this.#isEnded) this.#way.end(this.#trailers);
    else this.#goOn();
  }

  #pause(): boolean {
    this.#isPaused = true;
    return false;
  }

  #goOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#way.resume();
  }

  #giveWhole(): void {
    this.#reader?.resolve(Buffer.concat(this.#chunks, this.#bytes));
  }

  #refuse(): void {
    const message = `the response body is over ${this.#limitBytes} bytes`;
    this.#reader?.reject(new GatewayError('RESPONSE_BODY_TOO_LARGE', message));
  }
}

/** Global rules before the chain. */
export function runResponseHandlers(ctx: GatewayContext): PhaseResult {
  const result = runRequestPhase(ctx.globalRules.response, ctx);
  if (result === undefined) return runRequestPhase(ctx.chain.response, ctx);
  if (!(result instanceof Promise)) return result;
  return result.then((reply) => reply ?? runRequestPhase(ctx.chain.response, ctx));
}

function tooLarge(bytesMax: number): never {
  const message = `the response body is over ${bytesMax} bytes`;
  throw new GatewayError('RESPONSE_BODY_TOO_LARGE', message);
}
