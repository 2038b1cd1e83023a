import { expect, test } from 'vitest';
import { CallStats, PluginStats } from './plugin-stats.ts';

test('percentiles are at most an eighth above the truth', () => {
  for (const us of [0, 1, 7, 8, 15, 16, 100, 999, 12_345, 1_000_000, 200_000_000]) {
    const stats = new CallStats();
    stats.note(us, false, 0);
    const [p50 = 0] = stats.percentilesUs([0.5], 0);
    expect(p50).toBeGreaterThanOrEqual(us);
    expect(p50).toBeLessThanOrEqual(us * 1.125);
  }
});

test('the slowest hundredth shows in p99 and not in p50', () => {
  const stats = new CallStats();
  for (let call = 0; call < 980; call += 1) stats.note(100, false, 0);
  for (let call = 0; call < 20; call += 1) stats.note(50_000, true, 0);
  const [p50 = 0, p99 = 0] = stats.percentilesUs([0.5, 0.99], 0);
  expect(p50).toBeLessThan(113);
  expect(p99).toBeGreaterThanOrEqual(50_000);
  expect([stats.calls, stats.failures]).toEqual([1000, 20]);
});

test('a time longer than any bucket counts as the longest', () => {
  const stats = new CallStats();
  stats.note(1e15, false, 0);
  stats.note(-1, false, 0);
  expect(stats.percentilesUs([0.5, 1], 0)).toEqual([0, 2 ** 28 - 1]);
});

test('percentiles forget after minutes, counts do not', () => {
  const stats = new CallStats();
  stats.note(100, false, 1000);
  expect(stats.percentilesUs([0.5], 200_000)[0]).toBeGreaterThan(0);
  stats.note(7, false, 200_000);
  expect(stats.percentilesUs([1], 200_000)[0]).toBeGreaterThanOrEqual(100);
  expect(stats.percentilesUs([1], 400_000)).toEqual([7]);
  expect(stats.percentilesUs([1], 10_000_000)).toEqual([0]);
  expect(stats.calls).toBe(2);
});

test('names past the limit share one entry', () => {
  const stats = new PluginStats();
  for (let name = 0; name < 300; name += 1) stats.of(`p${name}`).note(1, name % 2 === 0, 0);
  const list = stats.list();
  expect(list.length).toBe(257);
  expect(list.at(-1)).toMatchObject({ plugin: '', calls: 44, failures: 22 });
  expect(stats.totals()).toEqual({ calls: 300, failures: 150 });
});
