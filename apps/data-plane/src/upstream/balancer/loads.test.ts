import { Worker } from 'node:worker_threads';
import { afterEach, expect, test, vi } from 'vitest';
import { compileUpstream } from '../compiled-upstream.ts';
import type { CompiledNode, CompiledUpstream } from '../compiled-upstream.ts';
import { chiSquare, REQUEST } from './balancing.harness.ts';
import { allocateLoads, NodeLoads } from './node-loads.ts';

afterEach(() => void vi.useRealTimers());

function upstreamOf(
  type: string,
  nodes: Record<string, number>,
  loads = new NodeLoads(allocateLoads(64, 2), 0),
): CompiledUpstream {
  const around = { loads, healthOf: () => undefined };
  return compileUpstream({ type, nodes }, '1', { key: 'routes/1', around });
}

const pick = (upstream: CompiledUpstream): CompiledNode =>
  upstream.balancer.pick(REQUEST, undefined) as CompiledNode;

test('least_conn fills nodes by weight while requests stay in flight', () => {
  const upstream = upstreamOf('least_conn', { 'a:1': 3, 'b:1': 2, 'c:1': 1 });
  const counts = { 'a:1': 0, 'b:1': 0, 'c:1': 0 };
  for (let i = 0; i < 600; i++) counts[pick(upstream).label as keyof typeof counts] += 1;
  expect(chiSquare(Object.values(counts), [3, 2, 1])).toBeLessThan(0.1);
});

test('least_conn goes round among nodes that have nothing to do', () => {
  const upstream = upstreamOf('least_conn', { 'a:1': 1, 'b:1': 1, 'c:1': 1 });
  const labels = Array.from({ length: 6 }, () => {
    const node = pick(upstream);
    upstream.balancer.release(node, 1);
    return node.label;
  });
  expect(labels).toEqual(['a:1', 'b:1', 'c:1', 'a:1', 'b:1', 'c:1']);
});

test('least_conn goes round within each weight, and to lighter nodes when heavy ones are busy', () => {
  const upstream = upstreamOf('least_conn', { 'a:1': 1, 'b:1': 2, 'c:1': 1, 'd:1': 2 });
  const labels = Array.from({ length: 6 }, () => pick(upstream).label);
  expect(labels.slice(0, 2)).toEqual(['b:1', 'd:1']);
  // one more at b and d weighs as much as the first one at a and c
  expect(labels.slice(2).sort()).toEqual(['a:1', 'b:1', 'c:1', 'd:1']);
});

test('least_conn picks nodes of weight 0 only where there is no other weight', () => {
  const upstream = upstreamOf('least_conn', { 'a:1': 0, 'b:1': 1 });
  expect(Array.from({ length: 5 }, () => pick(upstream).label)).toEqual(Array(5).fill('b:1'));
  const idle = upstreamOf('least_conn', { 'a:1': 0, 'c:1': 0 });
  expect([pick(idle).label, pick(idle).label]).toEqual(['a:1', 'c:1']);
});

test('least_conn counts requests of former versions of the upstream', () => {
  const loads = new NodeLoads(allocateLoads(64, 1), 0);
  const before = upstreamOf('least_conn', { 'a:1': 1 }, loads);
  const held = [pick(before), pick(before), pick(before)];
  const after = upstreamOf('least_conn', { 'a:1': 1, 'b:1': 1 }, loads);
  expect([pick(after), pick(after), pick(after)].map(({ label }) => label)).toEqual(
    Array(3).fill('b:1'),
  );
  for (const node of held) before.balancer.release(node, 1);
  expect(pick(after).label).toBe('a:1');
});

test('least_conn sees what other threads have in flight, and what a dead one had is taken back', () => {
  const memory = allocateLoads(64, 2);
  const here = upstreamOf('least_conn', { 'a:1': 1, 'b:1': 1 }, new NodeLoads(memory, 0));
  const there = upstreamOf('least_conn', { 'a:1': 1, 'b:1': 1 }, new NodeLoads(memory, 1));
  expect([pick(there).label, pick(here).label]).toEqual(['a:1', 'b:1']);
  pick(there);
  pick(there);
  new NodeLoads(memory, 0).forgetWorker(1);
  // one of ours is at b
  expect(pick(here).label).toBe('a:1');
});

test('counts are exact while threads count at the same time', async () => {
  const memory = allocateLoads(64, 3);
  const url = new URL('./node-loads.ts', import.meta.url).href;
  const code = `
    const { workerData } = require('node:worker_threads');
    import(${JSON.stringify(url)}).then(({ NodeLoads }) => {
      const loads = new NodeLoads(workerData.memory, workerData.id);
      const place = loads.claim('node');
      for (let i = 0; i < 50000; i++) { loads.addInFlight(place, 1); loads.addInFlight(place, -1); }
      for (let i = 0; i < 7; i++) loads.addInFlight(place, 1);
    });`;
  const ends = [1, 2].map(
    (id) =>
      new Promise((resolve, reject) => {
        const worker = new Worker(code, { eval: true, workerData: { memory, id } });
        worker.once('exit', resolve);
        worker.once('error', reject);
      }),
  );
  expect(await Promise.all(ends)).toEqual([0, 0]);
  const loads = new NodeLoads(memory, 0);
  expect(loads.inFlight[loads.claim('node')]).toBe(14);
});

test('a place is another name’s when nobody claims it any more, not before', () => {
  const loads = new NodeLoads(allocateLoads(16, 1), 0);
  const places = Array.from({ length: 16 }, (_, n) => loads.claim(`node ${n}`));
  expect(new Set(places).size).toBe(16);
  const [first = 0] = places;
  loads.setAverage(first, 1, 1);
  expect(loads.claim('node 0')).toBe(first);
  loads.unclaim(first);
  loads.unclaim(first);
  expect(loads.average(loads.claim('node 0'))).toBe(1);
  loads.unclaim(first);
  expect(loads.claim('one more')).toBe(first);
  expect(loads.average(first)).toBe(0);
});

test('round robin is one round for all threads', () => {
  const memory = allocateLoads(64, 2);
  const nodes = { 'a:1': 1, 'b:1': 1, 'c:1': 1 };
  const here = upstreamOf('roundrobin', nodes, new NodeLoads(memory, 0));
  const there = upstreamOf('roundrobin', nodes, new NodeLoads(memory, 1));
  const labels = [here, there, there, here, there, here].map((one) => pick(one).label);
  expect(labels).toEqual(['a:1', 'b:1', 'c:1', 'a:1', 'b:1', 'c:1']);
});

test('ewma takes the faster of two nodes, until what it knows has faded', () => {
  vi.useFakeTimers({ now: 1_000_000_000, toFake: ['Date'] });
  const upstream = upstreamOf('ewma', { 'slow:1': 1, 'fast:1': 1 });
  const [slow, fast] = upstream.nodes as [CompiledNode, CompiledNode];
  upstream.balancer.release(slow, 500);
  upstream.balancer.release(fast, 10);
  const picked = (): Set<string> => new Set(Array.from({ length: 50 }, () => pick(upstream).host));
  expect(picked()).toEqual(new Set(['fast']));
  vi.setSystemTime(1_000_059_000);
  expect(picked()).toEqual(new Set(['fast']));
  vi.setSystemTime(1_000_061_000);
  expect(picked()).toEqual(new Set(['fast', 'slow']));
});

test('ewma weighs the newest response time by how long ago the last one was', () => {
  vi.useFakeTimers({ now: 1_000_000_000, toFake: ['Date'] });
  const loads = new NodeLoads(allocateLoads(64, 1), 0);
  const upstream = upstreamOf('ewma', { 'a:1': 1, 'b:1': 1 }, loads);
  const [a] = upstream.nodes as [CompiledNode];
  const place = loads.claim('ewma#a:1');
  upstream.balancer.release(a, 100);
  expect(loads.average(place)).toBeCloseTo(0.1);
  vi.setSystemTime(1_000_005_000);
  upstream.balancer.release(a, 300);
  const kept = Math.exp(-0.5);
  expect(loads.average(place)).toBeCloseTo(0.1 * kept + 0.3 * (1 - kept));
  upstream.balancer.release(a, undefined);
  expect(loads.average(place)).toBeCloseTo(0.1 * kept + 0.3 * (1 - kept));
});

test('ewma spreads requests evenly while it knows nothing, and skips what was tried', () => {
  const upstream = upstreamOf('ewma', { 'a:1': 1, 'b:1': 5, 'c:1': 0, 'd:1': 1 });
  const counts = new Map(upstream.nodes.map((node) => [node, 0]));
  for (let i = 0; i < 4000; i++) {
    const node = pick(upstream);
    counts.set(node, (counts.get(node) as number) + 1);
  }
  // 3 degrees of freedom: once in ten million runs by chance
  expect(chiSquare([...counts.values()], [1, 1, 1, 1])).toBeLessThan(35);
  const [a, b, c, d] = upstream.nodes as CompiledNode[];
  const tried = new Set([a, b, d] as CompiledNode[]);
  expect(upstream.balancer.pick(REQUEST, tried)).toBe(c);
});
