import { ConfigError } from '../errors.ts';
import { ipv6Words, parseIpv4, parseIpv6, prefixOf, withoutBrackets } from './ip-address.ts';

/**
 * A set of addresses and networks (`10.0.0.0/8`, `::1`, `[fe80::1]`), after lua-resty-ipmatcher.
 * An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is the same host, so it is in a set that
 * has the IPv4 form and the other way round.
 * Throws ConfigError `invalid ip address: <entry>`.
 */
export class IpSet {
  // Sorted, disjoint ranges: starts at even places, ends (inclusive) at odd ones.
  readonly #ipv4: Uint32Array;
  // The same with four words for each bound.
  readonly #ipv6: Uint32Array;

  constructor(entries: readonly string[]) {
    const ipv4: Range[] = [];
    const ipv6: Range[] = [];
    for (const entry of entries) {
      const { family, range } = parseEntry(entry);
      (family === 4 ? ipv4 : ipv6).push(range);
    }
    this.#ipv4 = Uint32Array.from(
      merge(ipv4).flatMap(({ start, end }) => [Number(start), Number(end)]),
    );
    this.#ipv6 = Uint32Array.from(
      merge(ipv6).flatMap(({ start, end }) => [...wordsOf(start), ...wordsOf(end)]),
    );
  }

  /** False for what is not an address. Makes no garbage for IPv4. */
  has(address: string): boolean {
    const ipv4 = parseIpv4(address);
    if (ipv4 !== undefined) return this.#hasIpv4(ipv4);
    if (!parseIpv6(withoutBrackets(address))) return false;
    if (this.#hasIpv6()) return true;
    return isMapped() && this.#hasIpv4(ipv6Words[3] ?? 0);
  }

  #hasIpv4(address: number): boolean {
    const ranges = this.#ipv4;
    let low = 0;
    let high = ranges.length / 2 - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (address < (ranges[middle * 2] ?? 0)) high = middle - 1;
      else if (address > (ranges[middle * 2 + 1] ?? 0)) low = middle + 1;
      else return true;
    }
    return false;
  }

  #hasIpv6(): boolean {
    let low = 0;
    let high = this.#ipv6.length / 8 - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (compareWords(this.#ipv6, middle * 8) < 0) high = middle - 1;
      else if (compareWords(this.#ipv6, middle * 8 + 4) > 0) low = middle + 1;
      else return true;
    }
    return false;
  }
}

interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

const MAPPED_BITS = 96;
const MAPPED_START = 0xffffn << 32n;

function parseEntry(entry: unknown): { family: 4 | 6; range: Range } {
  if (typeof entry !== 'string') throw invalid(entry);
  const slash = entry.indexOf('/');
  const address = slash < 0 ? entry : entry.slice(0, slash);
  const ipv4 = parseIpv4(address);
  if (ipv4 === undefined && !parseIpv6(withoutBrackets(address))) throw invalid(address);
  const value = ipv4 === undefined ? valueOfWords() : BigInt(ipv4);
  const bits = ipv4 === undefined ? 128 : 32;
  const prefix = slash < 0 ? bits : prefixOf(entry);
  if (prefix === undefined) throw invalid(entry);
  const range = rangeOf(value, bits - prefix);
  if (bits === 32) return { family: 4, range };
  if (prefix < MAPPED_BITS || range.start >> 32n !== 0xffffn) return { family: 6, range };
  return {
    family: 4,
    range: { start: range.start - MAPPED_START, end: range.end - MAPPED_START },
  };
}

function rangeOf(value: bigint, hostBits: number): Range {
  const size = 1n << BigInt(hostBits);
  const start = value - (value % size);
  return { start, end: start + size - 1n };
}

function merge(ranges: readonly Range[]): readonly Range[] {
  const sorted = [...ranges].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  const merged: Range[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || range.start > last.end + 1n) merged.push(range);
    else if (range.end > last.end) {
      merged[merged.length - 1] = { start: last.start, end: range.end };
    }
  }
  return merged;
}

function valueOfWords(): bigint {
  return ipv6Words.reduce((value, word) => (value << 32n) | BigInt(word), 0n);
}

function wordsOf(value: bigint): readonly number[] {
  return [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffffffffn));
}

function compareWords(bounds: Uint32Array, offset: number): number {
  for (let word = 0; word < 4; word += 1) {
    const difference = (ipv6Words[word] ?? 0) - (bounds[offset + word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function isMapped(): boolean {
  return ipv6Words[0] === 0 && ipv6Words[1] === 0 && ipv6Words[2] === 0xffff;
}

function invalid(entry: unknown): ConfigError {
  return new ConfigError(`invalid ip address: ${String(entry)}`);
}
