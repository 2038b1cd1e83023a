import type { Variables } from '@polygate/plugin-sdk';
import { readableText } from '@polygate/plugin-sdk';

export type LogEscape = 'default' | 'json' | 'none';

/** One line of the log for one request, with a newline at its end. */
export type FormatLine = (vars: Variables) => string;

// `$name` and `${name}`; what else begins with `$` is refused
const VARIABLE = /\$(?:\{(\w+)\}|(\w+)|)/g;
/** What a backslash means in nginx's own quoted texts, which the format stands in in APISIX. */
const BACKSLASHES: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n' };

/**
 * Compiles the text of nginx's `log_format` directive (ngx_http_log_compile_format). `escape` is
 * its parameter: `default` writes `"`, `\`, control characters and bytes from 0x7F on as `\xHH`,
 * `json` as JSON has it, `none` as they come. A variable that is not found gives `-`, with `json` and
 * `none` nothing. Throws an Error that says what is wrong with the format.
 */
export function compileLogFormat(format: string, escape: LogEscape): FormatLine {
  const { literals, names } = parseLogFormat(format);
  const last = (literals.at(-1) ?? '') + '\n';
  const first = literals[0] ?? '';
  const escapeValue = ESCAPES[escape];
  const missing = escape === 'default' ? '-' : '';
  const count = names.length;
  return (vars) => {
    if (count === 0) return last;
    let line = first;
    for (let i = 0; i < count; i++) {
      const value = vars.get(names[i] as string);
      line += value === undefined ? missing : escapeValue(value);
      line += i === count - 1 ? last : (literals[i + 1] as string);
    }
    return line;
  };
}

export interface ParsedLogFormat {
  /** One more than there are names: a name stands between two of them. */
  readonly literals: readonly string[];
  readonly names: readonly string[];
}

export function parseLogFormat(format: string): ParsedLogFormat {
  const text = format.replace(
    /\\(["'\\trn])/g,
    (_, letter: string) => BACKSLASHES[letter] ?? letter,
  );
  const literals: string[] = [];
  const names: string[] = [];
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    const name = match[1] ?? match[2];
    if (name === undefined) {
      const rest = text.slice(match.index, match.index + 20);
      throw new Error(
        rest.startsWith('${')
          ? `the closing bracket in "${rest}" variable is missing`
          : `invalid variable name at "${rest}"`,
      );
    }
    literals.push(text.slice(end, match.index));
    names.push(name);
    end = match.index + match[0].length;
  }
  literals.push(text.slice(end));
  return { literals, names };
}

const ESCAPES: Readonly<Record<LogEscape, (value: string) => string>> = {
  default: escapeDefault,
  json: escapeJson,
  none: readableText,
};

const UNSAFE = /["\\]|[^ -~]/;
const UNSAFE_IN_JSON = /["\\\0-\x1f]/;

/** As ngx_http_log_escape: bytes, so that a character beyond ASCII is its UTF-8. */
function escapeDefault(value: string): string {
  if (!UNSAFE.test(value)) return value;
  let escaped = '';
  for (const byte of Buffer.from(readableText(value))) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    escaped += isPlain ? String.fromCharCode(byte) : `\\x${hex(byte)}`;
  }
  return escaped;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
};

/** As ngx_escape_json. */
function escapeJson(value: string): string {
  const text = readableText(value);
  if (!UNSAFE_IN_JSON.test(text)) return text;
  return text.replace(
    /["\\\0-\x1f]/g,
    (character) => SHORT_ESCAPES[character] ?? `\\u00${hex(character.charCodeAt(0))}`,
  );
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}
