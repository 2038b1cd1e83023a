/** One element of BER: its tag and what is in it. */
export interface BerElement {
  readonly tag: number;
  readonly contents: Buffer;
  /** Where the next one begins. */
  readonly end: number;
}

export const BER = {
  integer: 0x02,
  octetString: 0x04,
  enumerated: 0x0a,
  sequence: 0x30,
} as const;

const LENGTH_OCTETS_MAX = 4;

export function berElement(tag: number, ...contents: readonly Buffer[]): Buffer {
  const length = contents.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return Buffer.concat([Buffer.from([tag, ...lengthOctets(length)]), ...contents]);
}

/** Not negative, below 2^31. */
export function berInteger(value: number): Buffer {
  const octets: number[] = [];
  for (let rest = value; rest > 0 || octets.length === 0; rest >>>= 8) octets.unshift(rest & 0xff);
  // the first bit is the sign
  if ((octets[0] as number) > 0x7f) octets.unshift(0);
  return berElement(BER.integer, Buffer.from(octets));
}

/** A text as UTF-8. */
export function berString(text: string): Buffer {
  return berElement(BER.octetString, Buffer.from(text));
}

/**
 * The element that begins at `offset`; undefined while bytes of it are missing. Throws a RangeError for a
 * length of more than `bytesMax`, and for one that nothing in LDAP has: indefinite or beyond 32 bits.
 */
export function readBerElement(
  bytes: Buffer,
  offset: number,
  bytesMax: number,
): BerElement | undefined {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined) return undefined;
  let length = first;
  let start = offset + 2;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    if (octets === 0 || octets > LENGTH_OCTETS_MAX) throw new RangeError('invalid BER length');
    if (start + octets > bytes.length) return undefined;
    length = bytes.readUIntBE(start, octets);
    start += octets;
  }
  if (length > bytesMax) throw new RangeError(`BER element of ${length} bytes`);
  const end = start + length;
  return end > bytes.length ? undefined : { tag, contents: bytes.subarray(start, end), end };
}

/** All elements of what one is made of. Throws a RangeError where the last one is cut off. */
export function readBerElements(contents: Buffer): BerElement[] {
  const elements: BerElement[] = [];
  for (let offset = 0; offset < contents.length;) {
    const element = readBerElement(contents, offset, contents.length);
    if (element === undefined) throw new RangeError('BER element is cut off');
    elements.push(element);
    offset = element.end;
  }
  return elements;
}

/** Throws a RangeError for one of more than four octets. */
export function readBerInteger({ contents }: BerElement): number {
  if (contents.length === 0 || contents.length > 4) throw new RangeError('invalid BER integer');
  return contents.readIntBE(0, contents.length);
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) octets.unshift(rest & 0xff);
  return [0x80 | octets.length, ...octets];
}
