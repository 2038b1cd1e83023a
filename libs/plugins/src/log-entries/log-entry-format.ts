import type { Logger, RequestContext } from '@polygate/plugin-sdk';
import { jsonText } from './log-entry-json.ts';

/** JSON of one value for one request; undefined where there is none. */
export type JsonValue = (ctx: RequestContext) => string | undefined;

export interface FormatMember {
  readonly name: string;
  /** `"name":` */
  readonly label: string;
  readonly value: JsonValue;
}

const DEPTH_MAX = 5;

/** What APISIX reads as numbers (lua-var-nginx-module); all other variables are texts. */
const NUMBERS: ReadonlySet<string> = new Set(['status', 'request_length', 'bytes_sent']);

interface FormatOptions {
  /** For `$request_body`, which the variable of nginx only has while it is in memory. */
  readonly requestBody: (ctx: RequestContext) => string | undefined;
  readonly log: Logger;
}

/**
 * Compiles a `log_format`: objects and lists of texts that begin with `$`, which are variables, and of
 * constants. What a variable does not have is left out. Source: gen_log_format of
 * apisix/utils/log-util.lua.
 */
export function compileMembers(
  format: Readonly<Record<string, unknown>>,
  options: FormatOptions,
  depth = 1,
): readonly FormatMember[] {
  return Object.entries(format).map(([name, written]) => ({
    name,
    label: `${jsonText(name)}:`,
    value: compileValue(written, options, depth),
  }));
}

/** The members that have a value, as an object. */
export function jsonObject(members: readonly FormatMember[], ctx: RequestContext): string {
  let json = '';
  for (const { label, value } of members) {
    const text = value(ctx);
    if (text !== undefined) json += `${json === '' ? '{' : ','}${label}${text}`;
  }
  return json === '' ? '{}' : `${json}}`;
}

/** The same, as further members of an object that has some already. */
export function membersBehind(members: readonly FormatMember[], ctx: RequestContext): string {
  const json = jsonObject(members, ctx);
  return json === '{}' ? '' : `,${json.slice(1, -1)}`;
}

function compileValue(written: unknown, options: FormatOptions, depth: number): JsonValue {
  if (typeof written === 'object' && written !== null) {
    if (depth < DEPTH_MAX) return compileNested(written, options, depth + 1);
    options.log.warn(`log_format nesting exceeds max depth ${DEPTH_MAX}, truncating`);
    return () => '{}';
  }
  if (typeof written !== 'string' || !written.startsWith('$')) {
    const constant = JSON.stringify(written);
    return () => constant;
  }
  const name = written.slice(1);
  if (name === 'request_body') {
    return (ctx) => {
      const body = options.requestBody(ctx);
      return body === undefined ? undefined : jsonText(body);
    };
  }
  return NUMBERS.has(name) ? numberReader(name) : textReader(name);
}

function compileNested(written: object, options: FormatOptions, depth: number): JsonValue {
  if (Array.isArray(written)) {
    const values = written.map((item: unknown) => compileValue(item, options, depth));
    return (ctx) => `[${values.map((value) => value(ctx) ?? 'null').join(',')}]`;
  }
  const members = compileMembers(written as Readonly<Record<string, unknown>>, options, depth);
  return (ctx) => jsonObject(members, ctx);
}

function textReader(name: string): JsonValue {
  return ({ vars }) => {
    const value = vars.get(name);
    return value === undefined ? undefined : jsonText(value);
  };
}

/** A plugin may have put a text in the variable's place. */
function numberReader(name: string): JsonValue {
  return ({ vars }) => {
    const value = vars.get(name);
    if (value === undefined) return undefined;
    return /^\d+$/.test(value) ? String(Number(value)) : jsonText(value);
  };
}
