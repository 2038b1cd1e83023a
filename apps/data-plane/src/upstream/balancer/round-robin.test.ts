import { expect, test } from 'vitest';
import { compileUpstream } from '../compiled-upstream.ts';
import { REQUEST } from './balancing.harness.ts';
import { allocateLoads, NodeLoads } from './node-loads.ts';
import { createRoundRobin } from './round-robin.ts';

const labels = (nodes: Record<string, number>, picks: number): string[] => {
  const { balancer } = compileUpstream({ nodes }, '1');
  return Array.from({ length: picks }, () => balancer.pick(REQUEST, undefined)?.label ?? '-');
};

test('round robin spreads a heavy node out instead of repeating it', () => {
  expect(labels({ 'a:1': 3, 'b:1': 1 }, 8).join(' ')).toBe('a:1 a:1 b:1 a:1 a:1 a:1 b:1 a:1');
});

test('round robin leaves the share of an unhealthy node to the others', () => {
  const { nodes } = compileUpstream({ nodes: { 'a:1': 2, 'b:1': 1, 'c:1': 1 } }, '1');
  const picker = createRoundRobin(nodes, 'key', new NodeLoads(allocateLoads(64, 1), 0));
  const ill = new Set(nodes.slice(0, 1));
  const picks = Array.from({ length: 100 }, () => picker.pick(REQUEST, undefined, ill)?.label);
  expect(picks.filter((label) => label === 'b:1')).toHaveLength(50);
  expect(picks.filter((label) => label === 'c:1')).toHaveLength(50);
});

test('a node that is well is found while other threads take all of its turns', () => {
  const { nodes } = compileUpstream({ nodes: { 'a:1': 1, 'b:1': 1, 'c:1': 1 } }, '1');
  const loads = new NodeLoads(allocateLoads(64, 1), 0);
  const [ours, theirs] = [1, 2].map(() => createRoundRobin(nodes, 'key', loads));
  const [well] = nodes;
  class SeenByAnother extends Set<(typeof nodes)[number]> {
    override has(node: (typeof nodes)[number]): boolean {
      while (theirs?.pick(REQUEST, undefined, undefined) !== well) continue;
      return super.has(node);
    }
  }
  expect(ours?.pick(REQUEST, undefined, new SeenByAnother(nodes.slice(1)))).toBe(well);
  expect(ours?.pick(REQUEST, undefined, new SeenByAnother(nodes.slice(1)))).toBe(well);
});

test('round robin does not send every request to a dead node first', () => {
  const { balancer, nodes } = compileUpstream({ nodes: { 'dead:1': 1, 'well:1': 1 } }, '1');
  const firsts = Array.from({ length: 10 }, () => {
    const first = balancer.pick(REQUEST, undefined);
    if (first?.host === 'dead') balancer.pick(REQUEST, new Set(nodes.slice(0, 1)));
    return first?.host;
  });
  expect(firsts.filter((host) => host === 'dead')).toHaveLength(5);
});

test('round robin holds to weights whose round is very long', () => {
  const counts = Map.groupBy(labels({ 'a:1': 1_000_003, 'b:1': 2_000_003 }, 3000), (one) => one);
  expect(counts.get('a:1')?.length).toBeGreaterThan(990);
  expect(counts.get('a:1')?.length).toBeLessThan(1010);
});

test('round robin gives each node exactly its share of a round', () => {
  const nodes = { 'a:1': 5, 'b:1': 3, 'c:1': 2 };
  const counts = Map.groupBy(labels(nodes, 1000), (label) => label);
  expect([...counts].map(([label, picks]) => [label, picks.length]).toSorted()).toEqual([
    ['a:1', 500],
    ['b:1', 300],
    ['c:1', 200],
  ]);
  const even = labels({ 'a:1': 7, 'b:1': 7, 'c:1': 7 }, 300);
  for (const label of ['a:1', 'b:1', 'c:1']) {
    expect(even.filter((one) => one === label)).toHaveLength(100);
  }
});

test('round robin gives a node of weight 0 nothing, unless there is no other weight', () => {
  expect(new Set(labels({ 'a:1': 1, 'b:1': 0, 'c:1': 2 }, 6))).toEqual(new Set(['a:1', 'c:1']));
  expect(labels({ 'b:1': 0 }, 1)).toEqual(['b:1']);
  expect(new Set(labels({ 'a:1': 0, 'b:1': 0 }, 2))).toEqual(new Set(['a:1', 'b:1']));
});

test('a lower priority serves only when all higher nodes were tried', () => {
  const nodes = [
    { host: 'high', port: 1, weight: 1, priority: 1 },
    { host: 'high', port: 2, weight: 1, priority: 1 },
    { host: 'low', port: 1, weight: 9, priority: 0 },
  ];
  for (const type of ['roundrobin', 'chash', 'least_conn', 'ewma']) {
    const { balancer } = compileUpstream({ type, key: 'remote_addr', nodes }, '1');
    const tried = new Set<NonNullable<ReturnType<typeof balancer.pick>>>();
    const hosts = [];
    for (;;) {
      const node = balancer.pick(REQUEST, tried);
      if (node === undefined) break;
      hosts.push(node.host);
      tried.add(node);
    }
    expect(hosts, type).toEqual(['high', 'high', 'low']);
  }
});

test('an address that is listed twice is one node, with its last weight, and is tried once', () => {
  const nodes = [
    { host: 'a', port: 1, weight: 9 },
    { host: 'b', port: 1, weight: 1 },
    { host: 'a', port: 1, weight: 1 },
  ];
  for (const type of ['roundrobin', 'chash', 'least_conn', 'ewma']) {
    const { balancer } = compileUpstream({ type, key: 'remote_addr', nodes }, '1');
    const tried = new Set<NonNullable<ReturnType<typeof balancer.pick>>>();
    for (let node = balancer.pick(REQUEST, tried); node !== undefined;) {
      tried.add(node);
      node = balancer.pick(REQUEST, tried);
    }
    expect([...tried].map(({ label }) => label).sort(), type).toEqual(['a:1', 'b:1']);
  }
  const { balancer } = compileUpstream({ type: 'roundrobin', nodes }, '1');
  const picked = Array.from({ length: 10 }, () => balancer.pick(REQUEST, undefined)?.label);
  expect(picked.filter((label) => label === 'a:1')).toHaveLength(5);
});

test('a single node has every try, whatever it weighs', () => {
  for (const type of ['roundrobin', 'chash', 'least_conn', 'ewma']) {
    const { balancer, nodes } = compileUpstream({ type, nodes: { 'a:1': 0 } }, '1');
    expect(balancer.pick(REQUEST, new Set(nodes))?.label, type).toBe('a:1');
  }
});

test('compileUpstream() says why it cannot balance by a type that it does not know', () => {
  const { problem } = compileUpstream({ type: 'unknown', nodes: { 'a:1': 1 } }, '1');
  expect(problem).toBe('invalid balancer type: unknown');
});

test('compileUpstream() reads node names with and without ports, IPv6 too', () => {
  const { nodes } = compileUpstream(
    { nodes: { 'a.test': 1, 'b.test:81': 1, '[::1]:82': 1 }, scheme: 'https' },
    '1',
  );
  expect(nodes.map(({ label, host, hostHeader }) => [label, host, hostHeader])).toEqual([
    ['a.test:443', 'a.test', 'a.test'],
    ['b.test:81', 'b.test', 'b.test:81'],
    ['[::1]:82', '::1', '[::1]:82'],
  ]);
});

test('compileUpstream() takes a port that a list has in the host', () => {
  const hosts = ['127.0.0.1:1980', '::1', '[::1]:81'];
  const { nodes } = compileUpstream({ nodes: hosts.map((host) => ({ host, weight: 1 })) }, '1');
  expect(nodes.map(({ label }) => label)).toEqual(['127.0.0.1:1980', '[::1]:80', '[::1]:81']);
});
