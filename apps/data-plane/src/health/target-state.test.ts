import { expect, test } from 'vitest';
import { checkSettings, targetId, targetsOf } from './check-settings.ts';
import { TargetState } from './target-state.ts';
import type { Outcome } from './target-state.ts';

const { active, passive } = checkSettings({
  active: { healthy: { successes: 2 }, unhealthy: { http_failures: 3, tcp_failures: 2 } },
  passive: { unhealthy: { http_failures: 0 } },
});
const status = (code: number): Outcome => ({ kind: 'status', status: code });

test('a target falls ill by failures in a row and gets well by successes in a row', () => {
  const state = new TargetState();
  const statuses = [500, 500, 200, 500, 500, 200, 200, 500, 500, 500, 200, 500, 200, 200].map(
    (code) => {
      state.report(status(code), active);
      return state.status;
    },
  );
  expect(statuses).toEqual([
    ...['mostly_healthy', 'mostly_healthy', 'mostly_healthy', 'mostly_healthy', 'mostly_healthy'],
    ...['mostly_healthy', 'healthy', 'mostly_healthy', 'mostly_healthy', 'unhealthy'],
    ...['mostly_unhealthy', 'mostly_unhealthy', 'mostly_unhealthy', 'healthy'],
  ]);
});

test('kinds of failures are counted apart, a success clears them all', () => {
  const state = new TargetState();
  state.report({ kind: 'tcp' }, active);
  state.report({ kind: 'timeout' }, active);
  state.report(status(500), active);
  expect(state.counters).toEqual({
    success: 0,
    http_failure: 1,
    tcp_failure: 1,
    timeout_failure: 1,
  });
  state.report({ kind: 'success' }, active);
  expect(state.counters).toEqual({
    success: 1,
    http_failure: 0,
    tcp_failure: 0,
    timeout_failure: 0,
  });
});

test('what says nothing new is not counted', () => {
  const state = new TargetState();
  expect(state.report(status(200), active)).toBeUndefined();
  expect(state.report(status(418), active)).toBeUndefined();
  expect(state.report(status(500), passive)).toBeUndefined();
  state.report({ kind: 'tcp' }, active);
  expect(state.report({ kind: 'tcp' }, active)).toEqual({
    report: 'unhealthy',
    counter: 'TCP',
    count: 2,
    limit: 2,
  });
  expect(state.report({ kind: 'tcp' }, active)).toBeUndefined();
  expect(state.counters.tcp_failure).toBe(2);
});

test('an answer that is no HTTP is a failure', () => {
  const state = new TargetState();
  expect(state.report(status(0), active)).toMatchObject({ counter: 'HTTP', count: 1 });
});

test('nodes are probed only as often as the checks say', () => {
  expect(checkSettings({ active: {} })).toMatchObject({
    healthyIntervalMs: Infinity,
    unhealthyIntervalMs: Infinity,
    concurrency: 10,
    probe: { type: 'http', timeoutMs: 1000, path: '/', method: 'GET', verifyCertificate: true },
    active: { successes: 2, tcpFailures: 2, httpFailures: 5, timeouts: 3 },
    passive: { successes: 5, tcpFailures: 2, httpFailures: 5, timeouts: 7 },
  });
  expect(checkSettings({ active: { healthy: { interval: 3 } } }).healthyIntervalMs).toBe(3000);
});

test('targets are nodes, or what `host` and `port` of the checks make of them', () => {
  const nodes = { '127.0.0.1:80': 1, 'a.test:81': 1, '[::1]:82': 1 };
  const shown = (more: object): string[][] =>
    targetsOf({ nodes, ...more }).map((target) => [targetId(target), target.hostHeader]);
  expect(shown({ checks: { active: {} } })).toEqual([
    ['127.0.0.1:80:127.0.0.1', '127.0.0.1'],
    ['a.test:81:a.test', 'a.test'],
    ['::1:82:::1', '::1'],
  ]);
  expect(shown({ checks: { active: { host: 'b.test', port: 90 } } })).toEqual([
    ['127.0.0.1:90:b.test', 'b.test'],
    ['a.test:90:b.test', 'a.test'],
    ['::1:90:b.test', 'b.test'],
  ]);
  const rewrite = { pass_host: 'rewrite', upstream_host: 'c.test', checks: { active: {} } };
  expect(shown(rewrite).map(([, host]) => host)).toEqual(['c.test', 'c.test', 'c.test']);
});
