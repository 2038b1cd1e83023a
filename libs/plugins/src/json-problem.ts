/**
 * The value of a text, or why it is no JSON. As cjson it takes control characters in texts, such as
 * line breaks, for what they are.
 */
export function readJson(
  text: string,
): { readonly value: unknown; readonly problem?: undefined } | { readonly problem: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const escaped = escapeControls(text);
    if (escaped !== text) return readJson(escaped);
    return { problem: firstProblem(text) ?? error.message };
  }
}

const CONTROL = /[\0-\x1f]/g;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Those within strings. What follows a quote without an end is no string. */
function escapeControls(text: string): string {
  let escaped = '';
  let copied = 0;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', copied)) {
    const end = endOfString(text, at);
    if (end === undefined) break;
    escaped += text.slice(copied, at) + text.slice(at, end).replace(CONTROL, escapeOf);
    copied = end;
  }
  return escaped + text.slice(copied);
}

function escapeOf(control: string): string {
  return `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Behind the quote that ends the string at `at`. By hand: a pattern goes through a client's body from
 * each of its quotes anew, and not at all through one of some megabytes.
 */
function endOfString(text: string, at: number): number | undefined {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i + 1;
  }
  return undefined;
}

/**
 * Why a text is no JSON, in the words of cjson, which clients of APISIX see; undefined where it is.
 * Source: lua-cjson, json_process_value and json_throw_parse_error.
 */
export function jsonProblem(text: string): string | undefined {
  return readJson(text).problem;
}

/** What a token is called, and how long it is. What is no token has the reason for its name. */
interface Token {
  readonly name: string;
  readonly length: number;
}

const SINGLE: Readonly<Record<string, string>> = {
  '{': 'T_OBJ_BEGIN',
  '}': 'T_OBJ_END',
  '[': 'T_ARR_BEGIN',
  ']': 'T_ARR_END',
  ',': 'T_COMMA',
  ':': 'T_COLON',
};
const WORDS: readonly (readonly [string, string])[] = [
  ['true', 'T_BOOLEAN'],
  ['false', 'T_BOOLEAN'],
  ['null', 'T_NULL'],
];
const BLANKS = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/g;
const VALUES = new Set(['T_STRING', 'T_NUMBER', 'T_BOOLEAN', 'T_NULL']);

/** Goes through the tokens with what is open, as a stack, until one is not what was expected. */
function firstProblem(text: string): string | undefined {
  const open: ('object' | 'array')[] = [];
  let expected = 'value';
  let mayClose: string | undefined;
  let at = 0;
  for (;;) {
    at = endOf(BLANKS, text, at) ?? at;
    const { name, length } = tokenAt(text, at);
    const where = `but found ${name} at character ${at + 1}`;
    const afterValue = (): void => {
      const around = open.at(-1);
      expected = around === undefined ? 'the end' : `comma or ${around} end`;
      mayClose = around === undefined ? undefined : closing(around);
    };
    if (name === mayClose) {
      open.pop();
      afterValue();
    } else if (expected === 'value' && (name === 'T_OBJ_BEGIN' || name === 'T_ARR_BEGIN')) {
      const kind = name === 'T_OBJ_BEGIN' ? 'object' : 'array';
      open.push(kind);
      expected = kind === 'object' ? 'object key string' : 'value';
      mayClose = closing(kind);
    } else if (expected === 'value' && VALUES.has(name)) {
      afterValue();
    } else if (expected === 'object key string' && name === 'T_STRING') {
      [expected, mayClose] = ['colon', undefined];
    } else if (expected === 'colon' && name === 'T_COLON') {
      expected = 'value';
    } else if (expected.startsWith('comma') && name === 'T_COMMA') {
      expected = open.at(-1) === 'object' ? 'object key string' : 'value';
      mayClose = undefined;
    } else {
      return expected === 'the end' && name === 'T_END'
        ? undefined
        : `Expected ${expected} ${where}`;
    }
    at += length;
  }
}

function closing(kind: 'object' | 'array'): string {
  return kind === 'object' ? 'T_OBJ_END' : 'T_ARR_END';
}

function tokenAt(text: string, at: number): Token {
  if (at >= text.length) return { name: 'T_END', length: 0 };
  const character = text.charAt(at);
  const single = SINGLE[character];
  if (single !== undefined) return { name: single, length: 1 };
  const word = WORDS.find(([spelled]) => text.startsWith(spelled, at));
  if (word !== undefined) return { name: word[1], length: word[0].length };
  if (character === '"') {
    const end = endOfString(text, at);
    if (end === undefined) return { name: 'unexpected end of string', length: 1 };
    const isRight = !text.slice(at, end).replace(ESCAPE, '').includes('\\');
    return isRight
      ? { name: 'T_STRING', length: end - at }
      : { name: 'invalid escape code', length: 1 };
  }
  const end = endOf(NUMBER, text, at);
  if (end !== undefined) return { name: 'T_NUMBER', length: end - at };
  return { name: 'invalid token', length: 1 };
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
