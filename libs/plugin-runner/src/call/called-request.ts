import type {
  HttpReqCallAction,
  HttpReqCallView,
  RewriteAction,
  TextEntry,
} from '@polygate/runner-protocol';
import { CallAnswers, type GatewayCall } from './call-answers.ts';
import type { PluginRequest, StopReply } from '../external-plugin.ts';
import { FieldList } from '../field-list.ts';
import { formatIp } from './ip-address.ts';
import { prefixedLog, traceLabel, type RunnerLog } from '../runner-log.ts';

const CONTINUE: HttpReqCallAction = { kind: 'continue' };
const NO_ENTRIES: readonly TextEntry[] = [];

/** A request call as plugins see it. Parts of it are decoded when they are asked for. */
export class CalledRequest implements PluginRequest {
  readonly #view: HttpReqCallView;
  readonly #call: GatewayCall;
  readonly #answers: CallAnswers;
  #args: FieldList | undefined;
  #headers: FieldList | undefined;
  #pathBefore: string | undefined;
  #path: string | undefined;
  #responseHeaders: Map<string, readonly string[]> | undefined;

  constructor(view: HttpReqCallView, call: GatewayCall, bodyBytesMax: number) {
    this.#view = view;
    this.#call = call;
    this.#answers = new CallAnswers(call, bodyBytesMax);
  }

  get method(): string {
    return this.#view.method();
  }

  get path(): string {
    return (this.#path ??= this.#pathBefore = this.#view.path());
  }

  set path(path: string) {
    if (!path.startsWith('/')) throw new RangeError(`path must begin with "/": ${path}`);
    this.#pathBefore ??= this.#view.path();
    this.#path = path;
  }

  get args(): FieldList {
    return (this.#args ??= FieldList.ofArguments(this.#view.args()));
  }

  get headers(): FieldList {
    return (this.#headers ??= FieldList.ofHeaders(this.#view.headers()));
  }

  get remoteAddress(): string {
    return formatIp(this.#view.srcIp());
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
    return this.#answers.body('requestBody');
  }

  setBody(body: string | Uint8Array): void {
    this.#answers.setBody(body);
  }

  setResponseHeader(name: string, value: string | readonly string[]): void {
    const values = typeof value === 'string' ? [value] : value;
    (this.#responseHeaders ??= new Map()).set(name.toLowerCase(), values);
  }

  /** What ties a log line to this request. */
  label(): string {
    return traceLabel(this.headers.get('traceparent'), this.headers.get('x-request-id'));
  }

  /** What is wanted on the response is on the reply too, unless the reply sets it. */
  stopped(reply: StopReply): HttpReqCallAction {
    const status = reply.status ?? 200;
    requireStatus(status);
    const headers = new Map(this.#responseHeaders);
    for (const [name, value] of Object.entries(reply.headers ?? {})) {
      headers.set(name.toLowerCase(), typeof value === 'string' ? [value] : value);
    }
    const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
    return { kind: 'stop', status, headers: entriesOf(headers), body: body ?? Buffer.alloc(0) };
  }

  toAction(): HttpReqCallAction {
    const path = this.#path === this.#pathBefore ? undefined : this.#path;
    const headers = joined(this.#headers?.changes() ?? NO_ENTRIES);
    const args = this.#args?.changes() ?? NO_ENTRIES;
    const respHeaders =
      this.#responseHeaders === undefined ? NO_ENTRIES : entriesOf(this.#responseHeaders);
    const action: RewriteAction = {
      kind: 'rewrite',
      path,
      headers,
      args,
      respHeaders,
      body: this.#answers.newBody,
    };
    return isEmpty(action) ? CONTINUE : action;
  }
}

/** @throws {RangeError} for what no gateway would pass on */
export function requireStatus(status: number): void {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return;
  throw new RangeError(`status must be from 200 to 599: ${status}`);
}

function isEmpty({ path, headers, args, respHeaders, body }: RewriteAction): boolean {
  return (
    path === undefined && headers.length + args.length + respHeaders.length + body.length === 0
  );
}

function entriesOf(headers: ReadonlyMap<string, readonly string[]>): TextEntry[] {
  return Array.from(headers).flatMap(([name, values]) => values.map((value) => ({ name, value })));
}

/** The gateway keeps only the last request header of a name. */
function joined(entries: readonly TextEntry[]): readonly TextEntry[] {
  if (entries.length < 2) return entries;
  const values = new Map<string, string | undefined>();
  for (const { name, value } of entries) {
    const earlier = values.get(name);
    values.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return Array.from(values, ([name, value]) => (value === undefined ? { name } : { name, value }));
}
