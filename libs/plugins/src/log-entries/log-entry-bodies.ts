import { contextKey, GatewayError } from '@polygate/plugin-sdk';
import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { MASKED_BODY } from '../data-mask/masked-body.ts';
import { compileLenient, type Condition } from './log-entry-condition.ts';
import { ResponseCapture } from './log-entry-response.ts';
import type { LogEntryConf } from './log-entry.schema.ts';

const BODY_BYTES = 524_288;

/** The bodies that a conf wants to see, cut off at its limits. */
export class LoggedBodies {
  readonly readsRequest: boolean;
  readonly response: ResponseCapture | undefined;
  readonly #requestBytesMax: number;
  readonly #requestWanted: Condition | undefined;
  readonly #read = contextKey<Buffer>('log-entry-request-body');

  constructor(conf: LogEntryConf, log: PluginEnvironment['log']) {
    this.readsRequest = conf.include_req_body === true;
    this.#requestBytesMax = conf.max_req_body_bytes ?? BODY_BYTES;
    this.#requestWanted = compileLenient(conf.include_req_body_expr, log);
    if (conf.include_resp_body === true) {
      this.response = new ResponseCapture(
        conf.max_resp_body_bytes ?? BODY_BYTES,
        compileLenient(conf.include_resp_body_expr, log),
      );
    }
  }

  /** A body that cannot be held, but could pass as a stream, passes: the log does without it. */
  readRequest(ctx: RequestContext): Promise<void> | void {
    if (!this.readsRequest || this.#requestWanted?.(ctx) === false) return;
    return ctx.request.readBody().then(
      (body) => {
        if (body !== undefined) ctx.set(this.#read, body.subarray(0, this.#requestBytesMax));
      },
      (error: unknown) => {
        const isTooLarge = error instanceof GatewayError && error.code === 'REQUEST_BODY_TOO_LARGE';
        // Content-Length told: nothing has been taken of it
        if (!isTooLarge || !ctx.request.headers.has('content-length')) throw error;
        ctx.log.warn(`fail to get request body: ${error.message}`);
      },
    );
  }

  requestBody(ctx: RequestContext): string | undefined {
    return (
      this.readRequestBody(ctx) ?? ctx.vars.get('request_body')?.slice(0, this.#requestBytesMax)
    );
  }

  /** Only what `include_req_body` asked for. */
  readRequestBody(ctx: RequestContext): string | undefined {
    const read = ctx.get(this.#read);
    const masked = read && ctx.get(MASKED_BODY)?.subarray(0, this.#requestBytesMax);
    return (masked ?? read)?.toString('latin1');
  }
}
