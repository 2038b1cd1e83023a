/** Byte values and per-byte tables: one lookup tells what a byte may be part of. */
export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

const TOKEN_MARKS = "!#$%&'*+-.^_`|~";
const HOST_MARKS = "-._~!$&'()*+;=";

/**
 * RFC 9110 token characters, given as their lower-case letter, so that one lookup both checks a byte
 * of a name and gives what its hash is made of. 0: no token character.
 */
export const TOKEN_LOWER = table((code, char) => {
  if (isLetter(char)) return code | 0x20;
  return isDigit(char) || TOKEN_MARKS.includes(char) ? code : 0;
});

/** What may stand in a field value or a reason phrase: visible, SP, HTAB, and bytes from 0x80 on. */
export const FIELD_VALUE = table((code) => flag(code === TAB || (code >= SP && code !== 0x7f)));

/** A request target: no controls and no space; bytes from 0x80 on pass, as nginx lets them. */
export const TARGET = table((code) => flag(code > SP && code !== 0x7f));

/** Methods as nginx takes them. */
export const METHOD = table((_, char) => flag(/[A-Z_-]/.test(char)));

/** reg-name of RFC 3986 without percent and without the comma, which would make a list of it. */
export const HOST_NAME = table((_, char) =>
  flag(isLetter(char) || isDigit(char) || HOST_MARKS.includes(char)),
);

/** Value of a hexadecimal digit plus 1; 0: none. */
export const HEX_PLUS_ONE = table((_, char) =>
  /[0-9a-fA-F]/.test(char) ? Number.parseInt(char, 16) + 1 : 0,
);

function table(valueOf: (code: number, char: string) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => valueOf(code, String.fromCharCode(code)));
}

function flag(is: boolean): number {
  return is ? 1 : 0;
}

function isLetter(char: string): boolean {
  return /^[a-zA-Z]$/.test(char);
}

function isDigit(char: string): boolean {
  return /^[0-9]$/.test(char);
}

/** Buffer's own reader, which its types leave out: `toString('latin1')` costs a third more. */
interface Latin1Reader {
  latin1Slice(from: number, to: number): string;
}

/** The bytes buffer[from..to) as one character each. */
export function latin1Text(buffer: Buffer, from: number, to: number): string {
  return (buffer as unknown as Latin1Reader).latin1Slice(from, to);
}
