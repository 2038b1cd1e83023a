import { compilePattern, ConfigError } from '@polygate/model';
import type { Pattern } from '@polygate/model';
import type { Logger } from '@polygate/plugin-sdk';
import type { LabelParser } from './acl.schema.ts';

/** What a label's value is taken apart into. Throws a TypeError for text that is none. */
export type SplitLabel = (value: unknown, log: Logger) => readonly unknown[];

const splitAtCommas = textSplitter(',');

/** `separator`: a regular expression, for `segmented_text`. */
export function labelSplitter(parser: LabelParser, separator = ''): SplitLabel {
  if (parser === 'segmented_text') return textSplitter(separator);
  return parser === 'json' ? jsonValues : tableValues;
}

/** By what the value looks like. */
export const splitByLooks: SplitLabel = (value, log) => {
  if (typeof value === 'object' && value !== null) return tableValues(value, log);
  if (typeof value !== 'string') {
    log.error(`unsupported type of label value: ${luaTypeOf(value)}`);
    return [];
  }
  if (value.startsWith('[')) return jsonValues(value, log);
  return value.includes(',') ? splitAtCommas(value, log) : [value];
};

/** A separator that is no pattern is told of with each request, as in APISIX: nothing is split. */
function textSplitter(separator: string): SplitLabel {
  let pattern: Pattern | undefined;
  let problem = '';
  try {
    pattern = compilePattern(`\\s*${separator}\\s*`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problem = error.message;
  }
  return (value, log) => {
    if (typeof value !== 'string') {
      throw new TypeError(`a label to be split is a text, not a ${luaTypeOf(value)}`);
    }
    if (pattern !== undefined) return split(value, pattern);
    log.warn(`failed to split labels [${value}], err: ${problem}`);
    return [];
  };
}

/** As ngx.re.split: a pattern that matches nothing splits between all characters. */
function split(text: string, pattern: Pattern): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest !== '') {
    const match = pattern.exec(rest);
    if (match === null) break;
    const isEmpty = match[0] === '';
    const end = isEmpty ? Math.max(1, match.index) : match.index;
    parts.push(rest.slice(0, end));
    rest = rest.slice(isEmpty ? end : end + match[0].length);
  }
  if (rest !== '') parts.push(rest);
  return parts;
}

function tableValues(value: unknown, log: Logger): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) {
    log.warn(
      'the parser is specified as table, but the type of value is not table: ' + luaTypeOf(value),
    );
  }
  return [];
}

function jsonValues(value: unknown, log: Logger): readonly unknown[] {
  if (typeof value !== 'string') {
    log.warn('the parser is specified as json array, but the value type is not string');
    return [];
  }
  if (!value.startsWith('[')) {
    log.warn("the parser is specified as json array, but the value do not has prefix '['");
    return [];
  }
  try {
    return JSON.parse(value) as unknown[];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    log.warn(`failed to decode labels [${value}] as array, err: ${error.message}`);
    return [];
  }
}

function luaTypeOf(value: unknown): string {
  if (value === null) return 'userdata';
  return typeof value === 'object' ? 'table' : typeof value;
}
