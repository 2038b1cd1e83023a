import { COLON, HEX_PLUS_ONE, HOST_NAME } from './byte-class.ts';

const PORT_DIGITS_MAX = 5;
const PERCENT = 0x25;
const DOT = 0x2e;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

/** `uri-host [ ":" port ]` of RFC 9110 section 7.2; may be empty. */
export function isHost(buffer: Buffer, from: number, to: number): boolean {
  let p = from;
  if (p < to && buffer[p] === BRACKET_OPEN) {
    const close = endOfAddress(buffer, p + 1, to);
    if (close === -1) return false;
    p = close + 1;
  } else {
    while (p < to) {
      const byte = buffer[p] as number;
      if (HOST_NAME[byte] === 1) p++;
      else if (byte === PERCENT && isEscape(buffer, p + 1, to)) p += 3;
      else break;
    }
  }
  if (p === to) return true;
  return buffer[p] === COLON && isPort(buffer, p + 1, to);
}

/** Of the `]`; -1: no IPv6 address. Zone ids are for the sending host alone (RFC 6874). */
function endOfAddress(buffer: Buffer, from: number, to: number): number {
  let p = from;
  while (p < to) {
    const byte = buffer[p] as number;
    if (byte === BRACKET_CLOSE) return p > from ? p : -1;
    if (HEX_PLUS_ONE[byte] === 0 && byte !== COLON && byte !== DOT) return -1;
    p++;
  }
  return -1;
}

function isEscape(buffer: Buffer, from: number, to: number): boolean {
  return (
    from + 2 <= to &&
    HEX_PLUS_ONE[buffer[from] as number] !== 0 &&
    HEX_PLUS_ONE[buffer[from + 1] as number] !== 0
  );
}

function isPort(buffer: Buffer, from: number, to: number): boolean {
  if (to - from > PORT_DIGITS_MAX) return false;
  for (let p = from; p < to; p++) {
    const digit = (buffer[p] as number) - 0x30;
    if (digit < 0 || digit > 9) return false;
  }
  return true;
}
