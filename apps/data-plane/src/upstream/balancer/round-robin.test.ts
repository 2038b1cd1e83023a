import { expect, test } from 'vitest';
import { compileUpstream } from '../compiled-upstream.ts';

const labels = (nodes: Record<string, number>, picks: number): string[] => {
  const { balancer } = compileUpstream({ nodes }, '1');
  return Array.from({ length: picks }, () => balancer.pick(new Set())?.label ?? '-');
};

test('round robin spreads a heavy node out instead of repeating it', () => {
  expect(labels({ 'a:1': 3, 'b:1': 1 }, 8).join(' ')).toBe('a:1 a:1 b:1 a:1 a:1 a:1 b:1 a:1');
});

test('round robin gives a node of weight 0 nothing', () => {
  expect(new Set(labels({ 'a:1': 1, 'b:1': 0 }, 6))).toEqual(new Set(['a:1']));
  expect(labels({ 'b:1': 0 }, 1)).toEqual(['-']);
});

test('round robin goes to lower priorities only when all higher nodes were tried', () => {
  const nodes = [
    { host: 'high', port: 1, weight: 1, priority: 1 },
    { host: 'low', port: 1, weight: 9, priority: 0 },
  ];
  const { balancer } = compileUpstream({ nodes }, '1');
  const first = balancer.pick(new Set());
  expect(first?.host).toBe('high');
  const second = balancer.pick(new Set(first === undefined ? [] : [first]));
  expect(second?.host).toBe('low');
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
