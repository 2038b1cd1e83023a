import { luaToNumber } from '@polygate/model';
import type { ClientRequest, QueryArgument } from '@polygate/plugin-sdk';
import { parseForm } from '../request-validation/form-fields.ts';
import type { FieldShape, MessageShape } from './proto-shapes.ts';

const NESTING_MAX = 1000;
const METHODS_WITH_JSON: readonly string[] = ['POST', 'PUT', 'PATCH'];

type Values = Readonly<Record<string, unknown>>;

/**
 * What a request says, by name: a JSON body, the form of a POST, or the query
 * (get_request_table in grpc-transcode/util.lua). Throws a TypeError for JSON that is neither object nor
 * list.
 */
export async function requestValues(request: ClientRequest): Promise<Values> {
  const { method } = request;
  const isPost = method === 'POST';
  const isJson = request.headers.get('content-type')?.includes('application/json') === true;
  if (!isPost && !(isJson && METHODS_WITH_JSON.includes(method))) {
    return argumentValues(request.getArguments());
  }
  const body = (await request.readBody())?.toString() ?? '';
  const json = isJson ? parseJson(body) : undefined;
  if (json !== undefined && json !== false) return asTable(json);
  return isPost ? parseForm(body) : argumentValues(request.getArguments());
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function argumentValues(args: readonly QueryArgument[]): Values {
  const values = Object.create(null) as Record<string, unknown>;
  for (const { name, value = true } of args) {
    const before = values[name];
    if (before === undefined) values[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else values[name] = [before, value];
  }
  return values;
}

/**
 * The fields of a message that the request names; what it says besides is left out. Throws a TypeError
 * where a message should be and a number is.
 */
export function mapMessage(shape: MessageShape, given: Values, depth = 0): Values {
  if (depth > NESTING_MAX) throw new TypeError('too many nested messages');
  const message = Object.create(null) as Record<string, unknown>;
  for (const field of shape.fields) {
    const value = Object.hasOwn(given, field.name) ? given[field.name] : undefined;
    if (value !== undefined) message[field.name] = mapField(field, value, depth);
  }
  return message;
}

function mapField(field: FieldShape, value: unknown, depth: number): unknown {
  const { message, entry } = field;
  if (entry !== undefined) {
    if (entry.value.kind !== 'int32' || typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, scalar(entry.value, member)]),
    );
  }
  if (message === undefined) {
    // APISIX loses lists of int32
    return Array.isArray(value)
      ? value.map((one: unknown) => scalar(field, one))
      : scalar(field, value);
  }
  if (!Array.isArray(value)) return mapMessage(message, asTable(value), depth + 1);
  return value.map((one: unknown) =>
    typeof one === 'object' && one !== null ? mapMessage(message, one as Values, depth + 1) : one,
  );
}

/** An int32 that is no number is as good as not there. */
function scalar({ kind }: FieldShape, value: unknown): unknown {
  return kind === 'int32' ? luaToNumber(value) : value;
}

/** What Lua can index: a text has no fields, and a number is an error. */
function asTable(value: unknown): Values {
  if (typeof value === 'string') return {};
  if (typeof value === 'object' && value !== null) return value as Values;
  throw new TypeError(`attempt to index a ${value === null ? 'userdata' : typeof value} value`);
}
