import type { HttpRespCallRequest, HttpRespCallResponse } from '@polygate/runner-protocol';
import { CallAnswers, type GatewayCall } from './call-answers.ts';
import { requireStatus } from './called-request.ts';
import type { PluginResponse } from '../external-plugin.ts';
import { FieldList } from '../field-list.ts';
import { prefixedLog, traceLabel, type RunnerLog } from '../runner-log.ts';

/** Not for a runner to pass on: the gateway frames the message anew. */
const FRAMING_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
]);

/** A response call as plugins see it. */
export class CalledResponse implements PluginResponse {
  readonly #request: HttpRespCallRequest;
  readonly #call: GatewayCall;
  readonly #answers: CallAnswers;
  readonly headers: FieldList;
  #status: number;

  constructor(request: HttpRespCallRequest, call: GatewayCall, bodyBytesMax: number) {
    this.#request = request;
    this.#call = call;
    this.#answers = new CallAnswers(call, bodyBytesMax);
    this.#status = request.status;
    this.headers = FieldList.ofHeaders(request.headers);
  }

  get status(): number {
    return this.#status;
  }

  set status(status: number) {
    requireStatus(status);
    this.#status = status;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get log(): RunnerLog {
    return prefixedLog(this.#call.log, this.label());
  }

  variable(name: string): Promise<string | undefined> {
    return this.#answers.variable(name);
  }

  body(): Promise<Buffer> {
    return this.#answers.body('responseBody');
  }

  setBody(body: string | Uint8Array): void {
    this.#answers.setBody(body);
  }

  /** The protocol shows no request here: only an upstream that repeats its id leaves a trace. */
  label(): string {
    return traceLabel(this.headers.get('traceparent'), this.headers.get('x-request-id'));
  }

  /**
   * Always with all headers: APISIX takes an answer without any for "keep them", but then drops
   * Content-Type and nine more; and it drops all that are missing in an answer that has some.
   */
  toReply(): HttpRespCallResponse {
    const headers = Array.from(this.headers)
      .filter(([name]) => !FRAMING_HEADERS.has(name.toLowerCase()))
      .map(([name, value]) => ({ name, value }));
    const status = this.#status === this.#request.status ? 0 : this.#status;
    return { id: this.#request.id, status, headers, body: this.#answers.newBody };
  }
}
