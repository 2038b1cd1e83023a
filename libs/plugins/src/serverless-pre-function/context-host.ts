import type { HeaderList, RequestContext } from '@polygate/plugin-sdk';
import type { Host } from './sandbox.ts';
import { valueText } from './value-text.ts';

/** A body that a function sees, and may replace. */
export interface ScriptBody {
  text: string | undefined;
  isChanged: boolean;
}

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What would begin another header, or end the head. */
const NOT_IN_VALUE = /[\0-\x08\x0a-\x1f\x7f]/;
const TARGET_PART = /^[\x21-\x7e]*$/;

/** What a function in the sandbox may do to a request and its answer. Throws for what no message may have. */
export function contextHost(ctx: RequestContext, body: ScriptBody): Host {
  return (operation, json) => {
    const args = JSON.parse(json) as unknown[];
    const answer = perform(ctx, body, operation, args);
    return answer === undefined ? undefined : JSON.stringify(answer);
  };
}

function perform(
  ctx: RequestContext,
  body: ScriptBody,
  operation: string,
  [first, second, third]: readonly unknown[],
): unknown {
  switch (operation) {
    case 'var.get':
      return ctx.vars.get(String(first));
    case 'var.set':
      return ctx.vars.set(String(first), second === undefined ? undefined : valueText(second));
    case 'get':
      return read(ctx, body, String(first));
    case 'set':
      return write(ctx, body, String(first), second);
    case 'log':
      return log(ctx, first, String(second));
    default:
      return header(headersOf(ctx, first), operation, String(second), third);
  }
}

function log(ctx: RequestContext, level: unknown, message: string): undefined {
  if (level === 'debug') ctx.log.debug(message);
  else if (level === 'info') ctx.log.info(message);
  else if (level === 'error') ctx.log.error(message);
  else ctx.log.warn(message);
}

function headersOf({ request, response }: RequestContext, side: unknown): HeaderList {
  if (side === 'request') return request.headers;
  // before there is an answer: what is to stand in it, whoever gives it
  return response.status === 0 ? response.early : response.headers;
}

function header(headers: HeaderList, operation: string, name: string, value: unknown): unknown {
  if (operation === 'header.get') return headers.get(name);
  if (operation === 'header.getAll') return headers.getAll(name);
  if (operation === 'header.delete') return void headers.delete(name);
  if (!NAME.test(name)) throw new TypeError(`invalid header name ${JSON.stringify(name)}`);
  const values = (Array.isArray(value) ? value : [value]).map(headerText);
  if (operation === 'header.set') return void headers.set(name, values);
  for (const one of values) headers.append(name, one);
  return undefined;
}

/** A character a byte, as headers are kept. */
function headerText(value: unknown): string {
  const text = Buffer.from(String(value)).toString('latin1');
  if (NOT_IN_VALUE.test(text)) throw new TypeError('invalid header value');
  return text;
}

function read({ request, response }: RequestContext, body: ScriptBody, name: string): unknown {
  switch (name) {
    case 'request.method':
      return request.method;
    case 'request.scheme':
      return request.scheme;
    case 'request.host':
      return request.host;
    case 'request.path':
      return request.path;
    case 'request.upstreamPath':
      return request.upstreamPath;
    case 'request.query':
      return request.query;
    case 'request.args':
      return argumentsOf(request.getArguments());
    case 'response.status':
      return response.status === 0 ? undefined : response.status;
    default:
      return body.text;
  }
}

function argumentsOf(
  args: ReturnType<RequestContext['request']['getArguments']>,
): Record<string, unknown> {
  const values = new Map<string, unknown[]>();
  for (const { name, value } of args) {
    values.set(name, [...(values.get(name) ?? []), value ?? true]);
  }
  return Object.fromEntries(
    [...values].map(([name, all]) => [name, all.length === 1 ? all[0] : all]),
  );
}

function write(
  { request, response }: RequestContext,
  body: ScriptBody,
  name: string,
  value: unknown,
): undefined {
  const text = value === undefined || value === null ? undefined : valueText(value);
  switch (name) {
    case 'request.method':
      if (text === undefined || !NAME.test(text)) throw new TypeError('invalid method');
      request.method = text;
      return;
    case 'request.path':
    case 'request.upstreamPath':
      if (
        text !== undefined &&
        (!text.startsWith('/') || !TARGET_PART.test(text) || /[?#]/.test(text))
      )
        throw new TypeError('invalid path');
      request.upstreamPath = text;
      return;
    case 'request.query':
      if (!TARGET_PART.test(text ?? '')) throw new TypeError('invalid query');
      request.query = text ?? '';
      return;
    case 'request.args':
      request.setArguments(
        Object.entries((value ?? {}) as Record<string, unknown>).flatMap(([arg, all]) =>
          (Array.isArray(all) ? all : [all]).map((one: unknown) => ({
            name: arg,
            value: one === true ? undefined : String(one),
          })),
        ),
      );
      return;
    case 'response.status':
      response.status = statusOf(value);
      return;
    case 'request.body':
    case 'response.body':
      body.text = text ?? '';
      body.isChanged = true;
      return;
    default:
      throw new TypeError(`${name} cannot be changed`);
  }
}

/** Throws for what no answer can have. */
export function statusOf(value: unknown): number {
  if (Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 999) return Number(value);
  throw new TypeError(`invalid status ${String(value)}`);
}
