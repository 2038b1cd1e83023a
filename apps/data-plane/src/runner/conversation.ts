import type { TraceHeaders } from '@polygate/chassis';
import { GatewayError } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import type { ExtraInfoQuestion, KnownInfo } from '@polygate/rpc';
import { GatewayContext } from '../request/gateway-context.ts';
import type { AskedInfo } from './asked-info.ts';
import { applyResponse } from './frames/apply-response.ts';
import { applyResult } from './frames/apply-result.ts';
import { encodeRequestCall, encodeResponseCall, type CallConf } from './frames/call-frames.ts';
import { showRequest } from './frames/request-call.ts';
import { headerTextBytes } from './frames/wire-text.ts';
import type { CallResult, RunnerCall } from './link/runner-call.ts';
import { sentBody } from './sent-body.ts';

/** What calls of one segment of a conf have in common. */
export interface CallTerms {
  readonly conf: CallConf;
  readonly asked: AskedInfo;
  readonly timeoutMs: number;
  /** Undefined: one, where the request may be repeated by HTTP's rules. */
  readonly retries: number | undefined;
  readonly requestBodyBytesMax: number;
  readonly responseBodyBytesMax: number;
  readonly traceContext: ((ctx: RequestContext) => TraceHeaders | undefined) | undefined;
  /** Called when a call has ended; `error` undefined: well. */
  ended(error: unknown): void;
}

interface Settle<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** Larger bodies are sent when they are asked for, not ahead. */
export const KNOWN_BODY_BYTES_MAX = 64 * 1024;

const IDEMPOTENT: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'],
]);
const HEADER_VARIABLE = /^(?:http|cookie)_/;

/** A runner and the gateway about one request: what is shown, asked, answered, and in the end done. */
abstract class Conversation<T> implements RunnerCall {
  abstract readonly answeredBy: CallResult['$case'];
  readonly timeoutMs: number;
  readonly retries: number;
  protected readonly ctx: RequestContext;
  protected readonly terms: CallTerms;
  readonly #settle: Settle<T>;
  /** Of a call that was sent with nothing known; undefined: of another one. */
  readonly #probed: ExtraInfoQuestion[] | undefined;

  constructor(ctx: RequestContext, terms: CallTerms, settle: Settle<T>) {
    this.ctx = ctx;
    this.terms = terms;
    this.#settle = settle;
    this.timeoutMs = terms.timeoutMs;
    this.retries = terms.retries ?? (IDEMPOTENT.has(ctx.request.method) ? 1 : 0);
    this.#probed = terms.asked.isProbe() ? [] : undefined;
  }

  abstract get isLarge(): boolean;
  abstract encode(callId: number): Buffer;
  protected abstract apply(result: CallResult): T;
  protected abstract responseBody(): Promise<Buffer> | undefined;

  /** Looked at now and then: a listener of `signal` for each call would cost more than the call. */
  get isAborted(): boolean {
    const { ctx } = this;
    return ctx instanceof GatewayContext ? ctx.aborted : ctx.signal.aborted;
  }

  protected get isProbe(): boolean {
    return this.#probed !== undefined;
  }

  answer(question: ExtraInfoQuestion): Buffer | undefined | Promise<Buffer | undefined> {
    if (this.#probed === undefined) this.terms.asked.note(question);
    else this.#probed.push(question);
    switch (question.info?.$case) {
      case 'variable':
        return variableBytes(this.ctx, question.info.value.name);
      case 'requestBody':
        return requestBody(this.ctx, this.terms.requestBodyBytesMax);
      case 'responseBody':
        return this.responseBody();
      case undefined:
        throw new GatewayError('RUNNER_FAILED', 'the runner asked for something unknown');
    }
  }

  onResult(result: CallResult): void {
    if (this.#probed !== undefined) this.terms.asked.keepOnly(this.#probed);
    let applied: T;
    try {
      applied = this.apply(result);
    } catch (error) {
      this.onError(error);
      return;
    }
    this.terms.ended(undefined);
    this.#settle.resolve(applied);
  }

  onError(error: unknown): void {
    this.terms.ended(error);
    this.#settle.reject(error);
  }

  protected get traceHeaders(): { readonly traceparent: string; readonly tracestate: string } {
    const trace = this.terms.traceContext?.(this.ctx);
    return { traceparent: trace?.traceparent ?? '', tracestate: trace?.tracestate ?? '' };
  }

  /** What the runner asked for lately, as far as it is there without waiting. */
  protected known(responseBody: Buffer | undefined): KnownInfo | undefined {
    const { asked } = this.terms;
    if (asked.isEmpty || this.isProbe) return undefined;
    const { ctx } = this;
    const known: KnownInfo = {
      variables: asked.variables.flatMap((name) => variableEntry(ctx, name)),
      hasNoRequestBody: asked.requestBody && !ctx.request.hasBody,
    };
    const body = asked.requestBody ? bodyAtHand(ctx) : undefined;
    const bytesMax = Math.min(KNOWN_BODY_BYTES_MAX, this.terms.requestBodyBytesMax);
    if (body !== undefined && body.length <= bytesMax) known.requestBody = body;
    if (responseBody !== undefined) known.responseBody = responseBody;
    return known;
  }
}

/** About a request, from ext-plugin-pre-req or -post-req. */
export class RequestConversation extends Conversation<LocalReply | undefined> {
  readonly answeredBy = 'requestResult';

  get isLarge(): boolean {
    const { request } = this.ctx;
    if (!request.hasBody) return false;
    const length = Number(request.headers.getKnown('content-length') ?? Infinity);
    return !(length <= KNOWN_BODY_BYTES_MAX);
  }

  encode(callId: number): Buffer {
    const shown = showRequest(this.ctx);
    return encodeRequestCall(callId, this.terms.conf, {
      ...shown,
      ...this.traceHeaders,
      timeoutMs: this.timeoutMs,
      retries: this.retries,
      known: this.known(undefined),
    });
  }

  protected apply(result: CallResult): LocalReply | undefined {
    // the client lets no other kind of result through
    return result.$case === 'requestResult' ? applyResult(this.ctx, result.value) : undefined;
  }

  /** There is no response yet; APISIX answers with an empty result too. */
  protected responseBody(): undefined {
    this.ctx.log.error('failed to read response body: not exits');
    return undefined;
  }
}

/** About an upstream's answer, from ext-plugin-post-resp. */
export class ResponseConversation extends Conversation<void> {
  readonly answeredBy = 'responseResult';
  readonly #body: Buffer | undefined;

  /** `body`: of the answer, where it was read already. */
  constructor(
    ctx: RequestContext,
    terms: CallTerms,
    more: { readonly settle: Settle<void>; readonly body: Buffer | undefined },
  ) {
    super(ctx, terms, more.settle);
    this.#body = more.body;
  }

  get isLarge(): boolean {
    const { headers } = this.ctx.response;
    const length = Number(headers.getKnown('content-length') ?? Infinity);
    return this.#body === undefined && !(length <= KNOWN_BODY_BYTES_MAX);
  }

  encode(callId: number): Buffer {
    const { status, headers } = this.ctx.response;
    return encodeResponseCall(callId, this.terms.conf, {
      status,
      headers,
      ...this.traceHeaders,
      timeoutMs: this.timeoutMs,
      retries: this.retries,
      known: this.known(this.#body),
    });
  }

  protected apply(result: CallResult): void {
    if (result.$case === 'responseResult') applyResponse(this.ctx, result.value);
  }

  protected responseBody(): Promise<Buffer> {
    return this.ctx.response.readBody(this.terms.responseBodyBytesMax);
  }
}

/** Where APISIX answers a failed read with "no body", the call fails: a plugin may inspect bodies. */
async function requestBody(ctx: RequestContext, bytesMax: number): Promise<Buffer | undefined> {
  const body = await (sentBody(ctx) ?? ctx.request.readBody(bytesMax));
  if (body === undefined || body.length <= bytesMax) return body;
  const text = `the max length of data is ${bytesMax} but got ${body.length}`;
  throw new GatewayError('REQUEST_BODY_TOO_LARGE', text);
}

/** Undefined: there is none, or it is still on its way. */
export function bodyAtHand(ctx: RequestContext): Buffer | undefined {
  if (!(ctx instanceof GatewayContext)) return undefined;
  return ctx.request.bufferedBody ?? ctx.exchange.body.complete;
}

function variableBytes(ctx: RequestContext, name: string): Buffer | undefined {
  const value = ctx.vars.get(name);
  if (value === undefined) return undefined;
  return HEADER_VARIABLE.test(name) ? headerTextBytes(value) : Buffer.from(value);
}

/** None for what is no text: that is asked for. */
function variableEntry(ctx: RequestContext, name: string): KnownInfo['variables'] {
  const bytes = variableBytes(ctx, name);
  if (bytes === undefined) return [{ name }];
  const value = bytes.toString('utf8');
  return value.includes('\ufffd') ? [] : [{ name, value }];
}
