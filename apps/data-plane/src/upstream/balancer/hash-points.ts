import type { CompiledNode } from '../compiled-upstream.ts';

/** Of one unit of weight, as in lua-resty-balancer's chash. */
const POINTS_PER_WEIGHT = 160;
/** Weights that would need more are scaled down: 6 bytes a point. */
const POINTS_MAX = 1 << 20;
const MIX = 2 ** 16;
/** More nodes of one priority than this are not told apart. */
export const HASHED_NODES_MAX = MIX;

/** A ketama ring: hashes in rising order, and whose they are. */
export interface HashRing {
  readonly hashes: Uint32Array;
  /** Index of the node of each point. */
  readonly owners: Uint16Array;
}

/**
 * The points of nginx's and lua-resty-balancer's consistent hashing (chash.c): each is the CRC-32 of
 * the node's name and the point before, so that keys meet the same nodes as in APISIX.
 */
export function computeHashRing(nodes: readonly CompiledNode[]): HashRing {
  const shares = pointsOf(nodes.slice(0, HASHED_NODES_MAX));
  const points = new Float64Array(shares.reduce((sum, share) => sum + share, 0));
  let at = 0;
  shares.forEach((share, owner) => {
    // balancer/chash.lua writes colons as zero bytes
    const name = (nodes[owner] as CompiledNode).label.replaceAll(':', '\0');
    const begun = crcOfText(name, 0xffffffff);
    let hash = 0;
    for (let i = 0; i < share; i++) {
      hash = crcOfWord(hash, begun);
      points[at++] = hash * MIX + owner;
    }
  });
  points.sort();
  const hashes = new Uint32Array(points.length);
  const owners = new Uint16Array(points.length);
  points.forEach((point, i) => {
    hashes[i] = Math.floor(point / MIX);
    owners[i] = point % MIX;
  });
  return { hashes, owners };
}

/** Index of the first point that is not below the hash; the first where all are. */
export function findPoint(hashes: Uint32Array, hash: number): number {
  let low = 0;
  let high = hashes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((hashes[middle] as number) < hash) low = middle + 1;
    else high = middle;
  }
  return low === hashes.length ? 0 : low;
}

/** CRC-32 of the text's bytes: variables have one character a byte; others count as UTF-8. */
export function hashKey(key: string): number {
  return (crcOfText(key, 0xffffffff) ^ 0xffffffff) >>> 0;
}

/** Points of each node: by weight, after division by what the weights have in common. */
function pointsOf(nodes: readonly CompiledNode[]): number[] {
  const divisor = nodes.reduce((sum, { weight }) => greatestDivisor(sum, weight), 0) || 1;
  const wanted = nodes.map(({ weight }) => (weight / divisor) * POINTS_PER_WEIGHT);
  const total = wanted.reduce((sum, points) => sum + points, 0);
  if (total <= POINTS_MAX) return wanted;
  return wanted.map((points) => (points === 0 ? 0 : Math.ceil((points / total) * POINTS_MAX)));
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = (c & 1) === 0 ? c >>> 1 : (c >>> 1) ^ 0xedb88320;
  return c;
});

function crcOfText(text: string, from: number): number {
  let crc = from;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return crcOfBytes(Buffer.from(text), from);
    crc = (TABLE[(crc ^ code) & 0xff] as number) ^ (crc >>> 8);
  }
  return crc;
}

function crcOfBytes(bytes: Buffer, from: number): number {
  let crc = from;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return crc;
}

/** Of four bytes, the lowest first, finished. */
function crcOfWord(word: number, from: number): number {
  let crc = from;
  for (let shift = 0; shift < 32; shift += 8) {
    crc = (TABLE[(crc ^ (word >>> shift)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
