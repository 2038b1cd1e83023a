import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { compileUpstream } from '../compiled-upstream.ts';
import type { CompiledNode, CompiledUpstream } from '../compiled-upstream.ts';
import { chiSquare, requestWith } from './balancing.harness.ts';
import { computeHashRing, hashKey } from './hash-points.ts';

const NODES = 10;
const KEYS = 20_000;
const names = Array.from({ length: NODES }, (_, n) => `10.0.0.${n}:8080`);

function upstreamOf(
  labels: readonly string[],
  more: Partial<Parameters<typeof compileUpstream>[0]> = {},
): CompiledUpstream {
  const nodes = Object.fromEntries(labels.map((label) => [label, 1]));
  return compileUpstream({ type: 'chash', key: 'uri', nodes, ...more }, '1');
}

const at = (upstream: CompiledUpstream, uri: string): string | undefined =>
  upstream.balancer.pick(requestWith({ uri, remote_addr: '127.0.0.1' }), undefined)?.label;

test('hashKey() is the CRC-32 of the bytes that the client sent', () => {
  for (const key of ['', 'a', '/path?x=1', 'caf\u00e9']) {
    expect(hashKey(key)).toBe(crc32(Buffer.from(key, 'latin1')));
  }
  expect(hashKey('日本')).toBe(crc32(Buffer.from('日本')));
});

test('the ring has the points of nginx: each from the name and the point before', () => {
  const { nodes } = upstreamOf(['127.0.0.1:1980']);
  const { hashes } = computeHashRing(nodes);
  const expected: number[] = [];
  const before = Buffer.alloc(4);
  for (let i = 0; i < 160; i++) {
    const hash = crc32(Buffer.concat([Buffer.from('127.0.0.1\u00001980'), before]));
    before.writeUInt32LE(hash);
    expected.push(hash);
  }
  expect([...hashes]).toEqual(expected.toSorted((a, b) => a - b));
});

test('keys are spread as evenly as 160 points a node allow, and by weight', () => {
  const upstream = upstreamOf([], { nodes: { [`${names[0]}`]: 100, [`${names[1]}`]: 300 } });
  const counts = [0, 0];
  for (let i = 0; i < KEYS; i++) counts[at(upstream, `/${i}`) === names[0] ? 0 : 1]! += 1;
  expect((counts[1] as number) / KEYS).toBeGreaterThan(0.68);
  expect((counts[1] as number) / KEYS).toBeLessThan(0.82);
});

test('at most 1/n + 5 % of the keys move when a node leaves, and none of another node', () => {
  const whole = upstreamOf(names);
  for (const gone of names) {
    const rest = upstreamOf(names.filter((name) => name !== gone));
    let moved = 0;
    for (let i = 0; i < KEYS / 10; i++) {
      const before = at(whole, `/${i}`);
      const after = at(rest, `/${i}`);
      if (before === after) continue;
      expect(before).toBe(gone);
      moved += 1;
    }
    expect(moved / (KEYS / 10)).toBeLessThanOrEqual(1 / NODES + 0.05);
  }
});

test('a key meets every node once when each one fails', () => {
  const { balancer, nodes } = upstreamOf(names);
  const request = requestWith({ uri: '/a', remote_addr: '127.0.0.1' });
  const tried = new Set<CompiledNode>();
  for (let node = balancer.pick(request, tried); node; node = balancer.pick(request, tried)) {
    expect(tried).not.toContain(node);
    tried.add(node);
  }
  expect(tried.size).toBe(nodes.length);
});

test('huge weights are divided by what they share, or scaled to a ring that fits', () => {
  const ring = (weights: readonly number[]): number => {
    const nodes = weights.map((weight, n) => ({ host: `10.0.0.${n}`, port: 1, weight }));
    return computeHashRing(compileUpstream({ nodes }, '1').nodes).hashes.length;
  };
  expect(ring([1_000_000_000, 2_000_000_000, 0])).toBe(3 * 160);
  expect(ring([999_999_937, 1])).toBeLessThan(1.1 * 2 ** 20);
});

test('nodes of weight 0 are on no ring', () => {
  const upstream = upstreamOf([], { nodes: { 'a:1': 0, 'b:1': 0 } });
  expect(at(upstream, '/')).toBeUndefined();
});

interface KeyCase {
  readonly hash_on: string;
  readonly key?: string;
  readonly vars: Record<string, string>;
  readonly username?: string;
  readonly hashed: string;
}

const cases: readonly KeyCase[] = [
  { hash_on: 'vars', key: 'arg_id', vars: { arg_id: '7' }, hashed: '7' },
  { hash_on: 'vars', key: 'arg_id', vars: { arg_id: '' }, hashed: '' },
  { hash_on: 'vars', key: 'arg_id', vars: {}, hashed: '192.0.2.1' },
  { hash_on: 'header', key: 'X-Id', vars: { 'http_X-Id': 'h' }, hashed: 'h' },
  { hash_on: 'cookie', key: 'sid', vars: { cookie_sid: 'c' }, hashed: 'c' },
  { hash_on: 'consumer', vars: {}, username: 'jack', hashed: 'jack' },
  { hash_on: 'consumer', vars: {}, hashed: '192.0.2.1' },
  { hash_on: 'vars_combinations', key: '$a-${b}', vars: { a: '1', b: '2' }, hashed: '1-2' },
  { hash_on: 'vars_combinations', key: '$a-$b', vars: { b: '2' }, hashed: '-2' },
  { hash_on: 'vars_combinations', key: '${a ?? x}', vars: {}, hashed: 'x' },
  { hash_on: 'vars_combinations', key: '$a-$b', vars: {}, hashed: '192.0.2.1' },
  { hash_on: 'vars_combinations', key: 'plain', vars: {}, hashed: '192.0.2.1' },
];

test.for(cases)('$hash_on $key of $vars hashes "$hashed"', (one) => {
  const { vars, username, hashed, ...resource } = one;
  const byKey = upstreamOf(names, resource);
  const byUri = upstreamOf(names);
  const request = requestWith({ ...vars, remote_addr: '192.0.2.1' }, username);
  expect(byKey.balancer.pick(request, undefined)?.label).toBe(at(byUri, hashed));
});

test('chi-square tells an uneven distribution from an even one', () => {
  expect(chiSquare([100, 100, 100], [1, 1, 1])).toBe(0);
  expect(chiSquare([160, 70, 70], [1, 1, 1])).toBeGreaterThan(13.8);
});
