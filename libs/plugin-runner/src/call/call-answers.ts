import type { RunnerLog } from '../runner-log.ts';

/** How a call's plugins reach the gateway while it lasts. */
export interface GatewayCall {
  readonly signal: AbortSignal;
  readonly log: RunnerLog;
  /** Asked for what ties a log line to the request, when there is a line. */
  labelled: { label(): string } | undefined;
  variable(name: string): Promise<Buffer | undefined>;
  requestBody(): Promise<Buffer | undefined>;
  responseBody(): Promise<Buffer | undefined>;
}

const NO_BYTES = Buffer.alloc(0);

/** What the plugins of one call asked for. Each question goes to the gateway once. */
export class CallAnswers {
  readonly #call: GatewayCall;
  readonly #bodyBytesMax: number;
  #variables: Map<string, Promise<string | undefined>> | undefined;
  #body: Promise<Buffer> | undefined;
  #newBody: Buffer | undefined;

  constructor(call: GatewayCall, bodyBytesMax: number) {
    this.#call = call;
    this.#bodyBytesMax = bodyBytesMax;
  }

  variable(name: string): Promise<string | undefined> {
    this.#variables ??= new Map();
    let answer = this.#variables.get(name);
    if (answer === undefined) {
      answer = owned(this.#call.variable(name).then((bytes) => bytes?.toString('utf8')));
      this.#variables.set(name, answer);
    }
    return answer;
  }

  /** The one that a plugin set, else the gateway's. */
  body(ask: 'requestBody' | 'responseBody'): Promise<Buffer> {
    if (this.#newBody !== undefined) return Promise.resolve(this.#newBody);
    this.#body ??= owned(this.#call[ask]().then((bytes) => this.#limited(bytes ?? NO_BYTES)));
    return this.#body;
  }

  setBody(body: string | Uint8Array): void {
    if (body.length === 0) throw new RangeError('the protocol cannot set an empty body');
    this.#newBody = Buffer.from(body);
  }

  /** Empty: the body stays. */
  get newBody(): Buffer {
    return this.#newBody ?? NO_BYTES;
  }

  #limited(body: Buffer): Buffer {
    if (body.length <= this.#bodyBytesMax) return body;
    throw new RangeError(`the body has ${body.length} bytes, over ${this.#bodyBytesMax}`);
  }
}

/** A plugin that asks and does not wait must not end the process when there is no answer. */
function owned<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
