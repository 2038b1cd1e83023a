import { jsonEquals } from '../json-value.ts';
import { charCount, luaNumber, luaQuote } from '../lua-text.ts';
import { parseIpv4, parseIpv6 } from '../address/ip-address.ts';
import { compilePattern } from '../pattern/compile-pattern.ts';
import {
  firstOf,
  listKeyword,
  numberKeyword,
  schemaBug,
  type JsonSchemaObject,
  type Validator,
} from './validator.ts';

/** minLength, maxLength, pattern. */
export function stringChecks(schema: JsonSchemaObject): Validator | undefined {
  const checks: ((text: string) => string | undefined)[] = [];
  const min = numberKeyword(schema, 'minLength');
  if (min !== undefined) {
    checks.push((text) => {
      // no text has more characters than code units, nor fewer than half of them
      if (text.length >= min * 2) return undefined;
      const count = charCount(text);
      if (count >= min) return undefined;
      return `string too short, expected at least ${min}, got ${count}`;
    });
  }
  const max = numberKeyword(schema, 'maxLength');
  if (max !== undefined) {
    checks.push((text) => {
      if (text.length <= max) return undefined;
      const count = charCount(text);
      return count > max ? `string too long, expected at most ${max}, got ${count}` : undefined;
    });
  }
  const { pattern } = schema;
  if (typeof pattern === 'string') checks.push(patternCheck(pattern));
  else if (pattern !== undefined) return schemaBug('pattern', pattern);
  if (checks.length === 0) return undefined;
  const check = firstOf(checks as Validator[]);
  return (value) => (typeof value === 'string' ? check(value) : undefined);
}

function patternCheck(source: string): (text: string) => string | undefined {
  const pattern = compilePattern(source);
  const quoted = luaQuote(source);
  return (text) => {
    // What cannot be tested in bounded time is refused, not let through.
    if (text.length > pattern.subjectCharsMax) {
      return `string too long, expected at most ${pattern.subjectCharsMax}, got ${text.length}`;
    }
    return pattern.test(text)
      ? undefined
      : `failed to match pattern ${quoted} with ${luaQuote(text)}`;
  };
}

/** minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf; in this order. */
export function numberChecks(schema: JsonSchemaObject): Validator | undefined {
  const checks: ((number: number) => string | undefined)[] = [];
  const range = (
    keyword: string,
    words: string,
    broken: (value: number, limit: number) => boolean,
  ): void => {
    const limit = numberKeyword(schema, keyword);
    if (limit === undefined) return;
    const tail = `to be ${words} ${luaNumber(limit)}`;
    checks.push((value) =>
      broken(value, limit) ? `expected ${luaNumber(value)} ${tail}` : undefined,
    );
  };
  range('minimum', 'at least', (value, limit) => value < limit);
  range('exclusiveMinimum', 'greater than', (value, limit) => value <= limit);
  range('maximum', 'at most', (value, limit) => value > limit);
  range('exclusiveMaximum', 'smaller than', (value, limit) => value >= limit);
  range('multipleOf', 'a multiple of', (value, divisor) => !isMultiple(value, divisor));
  if (checks.length === 0) return undefined;
  const check = firstOf(checks as Validator[]);
  return (value) => (typeof value === 'number' ? check(value) : undefined);
}

// A fractional divisor needs a tolerance: 1.13 / 0.01 is 112.99999999999999.
function isMultiple(value: number, divisor: number): boolean {
  if (Number.isInteger(divisor)) return value % divisor === 0;
  const quotient = value / divisor;
  const rounded = Math.floor(quotient + 0.5);
  return Math.abs(quotient - rounded) <= 1e-12 * (Math.abs(rounded) || 1);
}

export function enumCheck(schema: JsonSchemaObject): Validator | undefined {
  const allowed = listKeyword(schema, 'enum');
  if (allowed === undefined) return undefined;
  if (allowed.includes(null)) return schemaBug('enum', allowed);
  const scalars = new Set(allowed.filter((item) => typeof item !== 'object'));
  const tables = allowed.filter((item) => typeof item === 'object');
  return (value) => {
    if (scalars.has(value) || tables.some((item) => jsonEquals(item, value))) return undefined;
    return 'matches none of the enum values';
  };
}

export function constCheck(schema: JsonSchemaObject): Validator | undefined {
  if (schema['const'] === undefined) return undefined;
  const expected = schema['const'];
  return (value) => (jsonEquals(expected, value) ? undefined : 'failed to check const value');
}

const FORMAT_PATTERNS: Readonly<Record<string, string>> = {
  email: '^[A-Za-z0-9_\\-.]+@[A-Za-z0-9_\\-.]+\\.[A-Za-z]{2,4}$',
  hostname: '^[a-zA-Z0-9\\-.]+$',
  uuid: '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
  date: '^\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])$',
  'date-time':
    '^\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])[Tt](?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d' +
    '(?:\\.\\d+)?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)$',
  uri: '^[a-zA-Z][a-zA-Z0-9+\\-.]*:\\S*$',
};

/** A format that is not known is not checked, as in APISIX. */
export function formatCheck(schema: JsonSchemaObject): Validator | undefined {
  const { format } = schema;
  if (typeof format !== 'string') return undefined;
  const test = formatTest(format);
  if (test === undefined) return undefined;
  return (value) =>
    typeof value !== 'string' || test(value)
      ? undefined
      : `expect valid ${format} format but got: ${value}`;
}

function formatTest(format: string): ((text: string) => boolean) | undefined {
  if (format === 'ipv4') return (text) => parseIpv4(text) !== undefined;
  if (format === 'ipv6') return (text) => parseIpv6(text);
  const source = FORMAT_PATTERNS[format];
  if (source === undefined) return undefined;
  const pattern = compilePattern(source);
  return (text) => text.length <= pattern.subjectCharsMax && pattern.test(text);
}
