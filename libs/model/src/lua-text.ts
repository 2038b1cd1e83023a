// How Lua writes values. APISIX's messages are made by Lua, and clients compare them byte by byte.

/** What Lua's `type()` says of a decoded JSON value: null is cjson's userdata, objects are tables. */
export function luaType(value: unknown): string {
  if (value === undefined) return 'nil';
  if (value === null) return 'userdata';
  if (typeof value === 'object') return 'table';
  return typeof value;
}

/** Lua's `tostring(number)`, which is C's `%.14g`. */
export function luaNumber(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', exponentText = '0'] = value.toExponential(13).split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 14) {
    const sign = exponent < 0 ? '-' : '+';
    const digits = String(Math.abs(exponent)).padStart(2, '0');
    return `${withoutTrailingZeros(mantissa)}e${sign}${digits}`;
  }
  return withoutTrailingZeros(value.toFixed(Math.max(0, 13 - exponent)));
}

function withoutTrailingZeros(text: string): string {
  if (!text.includes('.')) return text;
  let end = text.length;
  while (text[end - 1] === '0') end -= 1;
  if (text[end - 1] === '.') end -= 1;
  return text.slice(0, end);
}

/** LuaJIT's `%q`: quotes, backslashes and newlines escaped, control characters in decimal. */
export function luaQuote(text: string): string {
  let quoted = '"';
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charAt(i);
    const code = text.charCodeAt(i);
    if (char === '"' || char === '\\' || char === '\n') quoted += `\\${char}`;
    else if (code < 32 || code === 127) quoted += controlEscape(code, text.charAt(i + 1));
    else quoted += char;
  }
  return `${quoted}"`;
}

// A digit that follows would be read as part of a shorter escape.
function controlEscape(code: number, next: string): string {
  const digits = String(code);
  return next >= '0' && next <= '9' ? `\\${digits.padStart(3, '0')}` : `\\${digits}`;
}

// tonumber() reads decimal and hexadecimal, with blanks around.
const NUMERAL =
  /^[ \t-\r]*([-+]?)(?:0[xX]([0-9a-fA-F]+)|(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?))[ \t-\r]*$/;
const NUMERAL_CHARS_MAX = 400;

/** Lua's `tonumber()`; undefined where Lua gives nil. */
export function luaToNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value.length > NUMERAL_CHARS_MAX) return undefined;
  const match = NUMERAL.exec(value);
  if (match === null) return undefined;
  const magnitude = match[2] === undefined ? Number(match[3]) : Number(`0x${match[2]}`);
  return match[1] === '-' ? -magnitude : magnitude;
}

/** Characters as APISIX's schema library counts them: code points. */
export function charCount(text: string): number {
  let count = text.length;
  for (let i = 0; i + 1 < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0xd800 || code > 0xdbff) continue;
    const next = text.charCodeAt(i + 1);
    if (next < 0xdc00 || next > 0xdfff) continue;
    count -= 1;
    i += 1;
  }
  return count;
}
