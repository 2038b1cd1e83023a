import { ErrorCode } from '@polygate/runner-protocol';
import type {
  HttpReqCallAction,
  HttpReqCallRequest,
  HttpRespCallRequest,
  HttpRespCallResponse,
} from '@polygate/runner-protocol';
import type { PreparedPlugin } from './conf-cache.ts';
import type { PluginRequest, PluginResponse, StopReply } from './external-plugin.ts';
import { FieldList } from './field-list.ts';
import { formatIp } from './ip-address.ts';

/** How a plugin's questions reach the gateway. */
export interface GatewayQuestions {
  readonly signal: AbortSignal;
  variable(name: string): Promise<Buffer | undefined>;
  requestBody(): Promise<Buffer | undefined>;
  responseBody(): Promise<Buffer | undefined>;
}

/** Becomes an ERROR frame with this code. */
export class CallError extends Error {
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CallError';
    this.code = code;
  }
}

/**
 * Has the plugins look at the request, in order, each seeing what the ones before it changed. The
 * first that stops it ends the chain.
 *
 * @throws {CallError} SERVICE_UNAVAILABLE where a plugin throws
 */
export async function runRequestPlugins(
  call: HttpReqCallRequest,
  plugins: readonly PreparedPlugin[],
  questions: GatewayQuestions,
): Promise<HttpReqCallAction> {
  const request = new CalledRequest(call, questions);
  for (const { plugin, conf } of plugins) {
    if (plugin.onRequest === undefined) continue;
    try {
      const reply = await plugin.onRequest(request, conf);
      if (reply !== undefined) return stopAction(reply, request.responseHeaders);
      requirePath(request.path);
    } catch (cause) {
      throw pluginError(plugin.name, cause);
    }
  }
  return request.toAction();
}

/** The same for a response. @throws {CallError} SERVICE_UNAVAILABLE where a plugin throws */
export async function runResponsePlugins(
  call: HttpRespCallRequest,
  plugins: readonly PreparedPlugin[],
  questions: GatewayQuestions,
): Promise<HttpRespCallResponse> {
  const response = new CalledResponse(call, questions);
  for (const { plugin, conf } of plugins) {
    if (plugin.onResponse === undefined) continue;
    try {
      await plugin.onResponse(response, conf);
      requireStatus(response.status);
    } catch (cause) {
      throw pluginError(plugin.name, cause);
    }
  }
  return response.toReply();
}

class CalledRequest implements PluginRequest {
  readonly method: string;
  readonly args: FieldList;
  readonly headers: FieldList;
  readonly responseHeaders = new Map<string, readonly string[]>();
  path: string;
  readonly #pathBefore: string;
  readonly #sourceIp: Uint8Array;
  readonly #questions: GatewayQuestions;
  #newBody: Buffer | undefined;

  constructor(call: HttpReqCallRequest, questions: GatewayQuestions) {
    this.method = call.method;
    this.path = call.path;
    this.#pathBefore = call.path;
    this.args = FieldList.ofArguments(call.args);
    this.headers = FieldList.ofHeaders(call.headers);
    this.#sourceIp = call.srcIp;
    this.#questions = questions;
  }

  get remoteAddress(): string {
    return formatIp(this.#sourceIp);
  }

  get signal(): AbortSignal {
    return this.#questions.signal;
  }

  variable(name: string): Promise<string | undefined> {
    return owned(this.#questions.variable(name).then((bytes) => bytes?.toString('utf8')));
  }

  body(): Promise<Buffer> {
    if (this.#newBody !== undefined) return Promise.resolve(this.#newBody);
    return owned(this.#questions.requestBody().then((bytes) => bytes ?? Buffer.alloc(0)));
  }

  setBody(body: string | Uint8Array): void {
    this.#newBody = newBody(body);
  }

  setResponseHeader(name: string, value: string | readonly string[]): void {
    this.responseHeaders.set(name.toLowerCase(), typeof value === 'string' ? [value] : value);
  }

  toAction(): HttpReqCallAction {
    const path = this.path === this.#pathBefore ? undefined : this.path;
    const headers = joined(this.headers.changes());
    const args = this.args.changes();
    const respHeaders = entriesOf(this.responseHeaders);
    const body = this.#newBody ?? Buffer.alloc(0);
    const isChanged =
      path !== undefined || headers.length + args.length + respHeaders.length + body.length > 0;
    if (!isChanged) return { kind: 'continue' };
    return { kind: 'rewrite', path, headers, args, respHeaders, body };
  }
}

/** Not for a runner to pass on: the gateway frames the message anew. */
const FRAMING_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
]);

class CalledResponse implements PluginResponse {
  readonly headers: FieldList;
  status: number;
  readonly #id: number;
  readonly #statusBefore: number;
  readonly #questions: GatewayQuestions;
  #newBody: Buffer | undefined;

  constructor(call: HttpRespCallRequest, questions: GatewayQuestions) {
    this.#id = call.id;
    this.status = call.status;
    this.#statusBefore = call.status;
    this.headers = FieldList.ofHeaders(call.headers);
    this.#questions = questions;
  }

  get signal(): AbortSignal {
    return this.#questions.signal;
  }

  variable(name: string): Promise<string | undefined> {
    return owned(this.#questions.variable(name).then((bytes) => bytes?.toString('utf8')));
  }

  body(): Promise<Buffer> {
    if (this.#newBody !== undefined) return Promise.resolve(this.#newBody);
    return owned(this.#questions.responseBody().then((bytes) => bytes ?? Buffer.alloc(0)));
  }

  setBody(body: string | Uint8Array): void {
    this.#newBody = newBody(body);
  }

  /**
   * Always with all headers: APISIX takes an answer without any for "keep them", but then drops
   * Content-Type and nine more; and it drops all that are missing in an answer that has some.
   */
  toReply(): HttpRespCallResponse {
    const headers = Array.from(this.headers, ([name, value]) => ({ name, value: value ?? '' }));
    return {
      id: this.#id,
      status: this.status === this.#statusBefore ? 0 : this.status,
      headers: headers.filter(({ name }) => !FRAMING_HEADERS.has(name.toLowerCase())),
      body: this.#newBody ?? Buffer.alloc(0),
    };
  }
}

/** What earlier plugins wanted on the response is on the reply too, unless the reply sets it. */
function stopAction(
  reply: StopReply,
  responseHeaders: ReadonlyMap<string, readonly string[]>,
): HttpReqCallAction {
  const status = reply.status ?? 200;
  requireStatus(status);
  const headers = new Map(responseHeaders);
  for (const [name, value] of Object.entries(reply.headers ?? {})) {
    headers.set(name.toLowerCase(), typeof value === 'string' ? [value] : value);
  }
  const body = Buffer.from(reply.body ?? '');
  return { kind: 'stop', status, headers: entriesOf(headers), body };
}

function entriesOf(headers: ReadonlyMap<string, readonly string[]>) {
  return Array.from(headers).flatMap(([name, values]) => values.map((value) => ({ name, value })));
}

/** The gateway keeps only the last request header of a name. */
function joined(entries: ReturnType<FieldList['changes']>): ReturnType<FieldList['changes']> {
  const values = new Map<string, string | undefined>();
  for (const { name, value } of entries) {
    const earlier = values.get(name);
    values.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return Array.from(values, ([name, value]) => (value === undefined ? { name } : { name, value }));
}

/** A plugin that asks and does not wait must not end the process when there is no answer. */
function owned<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function newBody(body: string | Uint8Array): Buffer {
  if (body.length === 0) throw new RangeError('the protocol cannot set an empty body');
  return Buffer.from(body);
}

function requirePath(path: string): void {
  if (!path.startsWith('/')) throw new RangeError(`path must begin with "/": ${path}`);
}

function requireStatus(status: number): void {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return;
  throw new RangeError(`status must be from 200 to 599: ${status}`);
}

function pluginError(name: string, cause: unknown): CallError {
  return new CallError(ErrorCode.SERVICE_UNAVAILABLE, `plugin ${name} failed`, { cause });
}
