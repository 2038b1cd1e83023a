// As C's inet_pton reads addresses: no leading zeros, no zones, no blanks.

const DOT = 46;
const COLON = 58;
const ZERO = 48;

/** An IPv4 address as an unsigned 32-bit number; undefined for anything else. Allocates nothing. */
export function parseIpv4(text: string): number | undefined {
  return parseIpv4At(text, 0, text.length);
}

function parseIpv4At(text: string, start: number, end: number): number | undefined {
  if (end - start < 7 || end - start > 15) return undefined;
  let address = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < end; i += 1) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (octet < 0 || dots === 3) return undefined;
      address = address * 256 + octet;
      octet = -1;
      dots += 1;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || octet === 0) return undefined;
    octet = octet < 0 ? digit : octet * 10 + digit;
    if (octet > 255) return undefined;
  }
  return dots === 3 && octet >= 0 ? address * 256 + octet : undefined;
}

/** The last address parseIpv6 has read: four 32-bit words. One buffer, so that nothing is made. */
export const ipv6Words: Uint32Array = new Uint32Array(4);
const groups = new Uint16Array(8);

/** Reads an IPv6 address without brackets into `ipv6Words`; false for anything else. */
export function parseIpv6(text: string): boolean {
  if (text.length < 2 || text.length > 45) return false;
  let count = 0;
  let gapAt = -1;
  let i = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return false;
    gapAt = 0;
    i = 2;
  }
  while (i < text.length) {
    if (count === 8) return false;
    const end = groupEnd(text, i);
    if (text.charCodeAt(end) === DOT) {
      const tail = count > 6 ? undefined : parseIpv4At(text, i, text.length);
      if (tail === undefined) return false;
      groups[count] = tail >>> 16;
      groups[count + 1] = tail & 0xffff;
      count += 2;
      i = text.length;
      break;
    }
    if (end === i || end - i > 4) return false;
    groups[count] = hexValue(text, i, end);
    count += 1;
    i = end;
    if (i === text.length) break;
    if (text.charCodeAt(i) !== COLON || i + 1 === text.length) return false;
    i += 1;
    if (text.charCodeAt(i) !== COLON) continue;
    if (gapAt >= 0) return false;
    gapAt = count;
    i += 1;
  }
  return storeWords(count, gapAt);
}

function storeWords(count: number, gapAt: number): boolean {
  if (gapAt < 0 ? count !== 8 : count === 8) return false;
  const missing = 8 - count;
  for (let word = 0; word < 4; word += 1) {
    const high = groupAt(word * 2, gapAt, missing);
    ipv6Words[word] = high * 65_536 + groupAt(word * 2 + 1, gapAt, missing);
  }
  return true;
}

function groupAt(position: number, gapAt: number, missing: number): number {
  if (gapAt < 0 || position < gapAt) return groups[position] ?? 0;
  if (position < gapAt + missing) return 0;
  return groups[position - missing] ?? 0;
}

function groupEnd(text: string, start: number): number {
  let i = start;
  while (i < text.length && hexDigit(text.charCodeAt(i)) >= 0) i += 1;
  return i;
}

function hexValue(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i += 1) value = value * 16 + hexDigit(text.charCodeAt(i));
  return value;
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= 57) return code - ZERO;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** `[::1]` → `::1`; anything else as it is. */
export function withoutBrackets(text: string): string {
  return text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
}

/** An IPv4 or IPv6 address, the latter with or without brackets. */
export function isIpAddress(text: string): boolean {
  return parseIpv4(text) !== undefined || parseIpv6(withoutBrackets(text));
}

/** `address/prefix`, the prefix in decimal and no longer than the address. */
export function isCidr(text: string): boolean {
  return prefixOf(text) !== undefined;
}

/** The prefix length of a CIDR; undefined when the text is not one. */
export function prefixOf(text: string): number | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const digits = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits)) return undefined;
  const address = text.slice(0, slash);
  const prefix = Number(digits);
  if (parseIpv4(address) !== undefined) return prefix <= 32 ? prefix : undefined;
  return parseIpv6(withoutBrackets(address)) && prefix <= 128 ? prefix : undefined;
}

/** The bytes of an address in network order: 4 or 16; undefined when the text is none. */
export function parseIpBytes(address: string): Uint8Array | undefined {
  const ipv4 = parseIpv4(address);
  if (ipv4 !== undefined) {
    return Uint8Array.of(ipv4 >>> 24, (ipv4 >>> 16) & 255, (ipv4 >>> 8) & 255, ipv4 & 255);
  }
  if (!parseIpv6(withoutBrackets(address))) return undefined;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < 4; word += 1) view.setUint32(word * 4, ipv6Words[word] ?? 0);
  return bytes;
}
