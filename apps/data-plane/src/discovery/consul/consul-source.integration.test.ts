import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConsulDiscoveryConfig } from '@polygate/chassis';
import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../../gateway.harness.ts';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { openConsulKv } from './consul-kv-source.ts';
import { ConsulTestServer } from './consul-server.harness.ts';
import { openConsul } from './consul-source.ts';
import { retryDelayMs } from './consul-watch.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startConsul(): Promise<ConsulTestServer> {
  const consul = await new ConsulTestServer().start();
  cleanups.push(() => consul.stop());
  return consul;
}

function configOf(
  servers: readonly ConsulTestServer[],
  more: Partial<ConsulDiscoveryConfig> = {},
): ConsulDiscoveryConfig {
  return {
    servers: servers.map(({ url }) => url),
    token: '',
    fetchIntervalMs: 20,
    keepalive: true,
    weight: 3,
    connectTimeoutMs: 1000,
    readTimeoutMs: 1000,
    waitMs: 60_000,
    sortType: 'origin',
    skipServices: [],
    prefix: 'upstreams',
    dump: undefined,
    defaultService: undefined,
    shown: { some: 'conf' },
    ...more,
  };
}

function open(
  config: ConsulDiscoveryConfig,
  openSource = openConsul,
): ReturnType<typeof openConsul> {
  const source = openSource(config, { log: memoryLog() }, { onChange: () => undefined });
  cleanups.push(() => source.close());
  return source;
}

function shown(answer: ServiceAnswer | undefined): unknown {
  if (answer === undefined || 'failure' in answer) return answer;
  return answer.nodes.map(({ host, port, weight }) => `${host}:${port}*${weight}`);
}

const NONE = { failure: 'no valid upstream node: nil' };

test('instances that pass are known, each address once, and changes as they come', async () => {
  const consul = await startConsul();
  consul.set('a', '10.0.0.1:80', '10.0.0.1:80', '!10.0.0.2:80', ':0');
  consul.set('b', '10.0.0.3:1');
  const source = open(configOf([consul], { skipServices: ['b'] }));
  expect(source.find('a')).toBeUndefined();
  await eventually(() => source.find('a') !== undefined);
  expect(shown(source.find('a'))).toEqual(['10.0.0.1:80*3', '127.0.0.9:80*3']);
  expect([source.find('b'), source.find('consul'), source.find('c')]).toEqual([NONE, NONE, NONE]);
  consul.set('a', '10.0.0.4:80');
  await eventually(() => String(shown(source.find('a'))) === '10.0.0.4:80*3');
  consul.set('a', '!10.0.0.4:80');
  await eventually(() => 'failure' in (source.find('a') ?? {}));
  expect(consul.asked).toContain('/v1/catalog/services?wait=60s&index=0');
  expect(consul.asked).toContain('/v1/health/service/a?passing=true');
  expect(consul.asked.some((path) => /state\/any\?wait=60s&index=1\d/.test(path))).toBe(true);
});

test('without keepalive it asks now and then, and never waits', async () => {
  const consul = await startConsul();
  const source = open(configOf([consul], { keepalive: false }));
  await eventually(() => source.find('a') !== undefined);
  consul.set('a', '10.0.0.1:80');
  await eventually(() => String(shown(source.find('a'))) === '10.0.0.1:80*3');
  expect(consul.asked.some((path) => path.includes('wait='))).toBe(false);
});

test('nodes are sorted as the configuration says', async () => {
  const consul = await startConsul();
  consul.set('a', 'b:2', 'a:3', 'b:1', 'a:2');
  for (const [sortType, sorted] of [
    ['origin', 'b:2,a:3,b:1,a:2'],
    ['host_sort', 'a:3,a:2,b:2,b:1'],
    ['port_sort', 'b:1,b:2,a:2,a:3'],
    ['combine_sort', 'a:2,a:3,b:1,b:2'],
  ] as const) {
    const source = open(configOf([consul], { sortType }));
    await eventually(() => source.find('a') !== undefined);
    expect(String(shown(source.find('a'))).replaceAll('*3', '')).toBe(sorted);
  }
});

test('the default service stands in for what is not there, in several servers or without any', async () => {
  const [one, two] = [await startConsul(), await startConsul()];
  one.set('a', '10.0.0.1:80');
  two.set('b', '10.0.0.2:80');
  const defaultService = { host: '127.0.0.1', port: 20_999 };
  const source = open(configOf([one, two], { defaultService }));
  await eventually(() => source.find('a') !== undefined && source.find('b') !== undefined);
  await eventually(() => source.find('c') !== undefined);
  expect(['a', 'b', 'c'].map((name) => String(shown(source.find(name))))).toEqual([
    '10.0.0.1:80*3',
    '10.0.0.2:80*3',
    '127.0.0.1:20999*3',
  ]);
});

test('what is known stays while Consul is lost, and the token is shown to it', async () => {
  const consul = await startConsul();
  consul.token = 'secret';
  consul.set('a', '10.0.0.1:80');
  const source = open(configOf([consul], { token: 'secret' }));
  await eventually(() => consul.asked.some((path) => /state\/any\?wait=60s&index=1\d/.test(path)));
  await consul.stop();
  expect(shown(source.find('a'))).toEqual(['10.0.0.1:80*3']);
  await consul.start();
  consul.set('a', '10.0.0.2:80');
  await eventually(() => String(shown(source.find('a'))) === '10.0.0.2:80*3');
});

test('a dump is written when something changes, and read at a start without Consul', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'consul-dump-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'consul.dump');
  const dump = { path, loadOnInit: true, expireMs: 0 };
  const consul = await startConsul();
  consul.set('a', '10.0.0.1:80');
  const source = open(configOf([consul], { dump }));
  expect(source.showDumpFile().status).toBe(503);
  await eventually(() => source.showDumpFile().status === 200);
  const written = JSON.parse(readFileSync(path, 'utf8')) as { last_update: number };
  expect(written).toEqual({
    services: { a: [{ host: '10.0.0.1', port: 80, weight: 3 }] },
    last_update: expect.any(Number) as number,
    expire: 0,
  });
  expect(source.dump()).toEqual({
    config: { some: 'conf' },
    services: { a: [{ host: '10.0.0.1', port: 80, weight: 3 }] },
  });
  await consul.stop();
  expect(shown(open(configOf([consul], { dump })).find('a'))).toEqual(['10.0.0.1:80*3']);
  writeFileSync(path, JSON.stringify({ ...written, last_update: written.last_update - 60 }));
  const late = open(configOf([consul], { dump: { ...dump, expireMs: 1000 } }));
  await eventually(() => late.find('a') !== undefined);
  expect(late.find('a')).toEqual(NONE);
  expect(open(configOf([consul])).showDumpFile()).toEqual({
    status: 503,
    body: 'dump params is nil',
  });
});

test('pairs of the key-value store are nodes of services below their prefix', async () => {
  const consul = await startConsul();
  consul.setPair('upstreams/web/10.0.0.1:80', { weight: 7 });
  consul.setPair('upstreams/web/10.0.0.2:80', {});
  consul.setPair('upstreams/web/10.0.0.3:80', { check_status: 'false' });
  consul.setPair('upstreams/skipped/10.0.0.4:80', {});
  const source = open(configOf([consul], { skipServices: ['upstreams/skipped/'] }), openConsulKv);
  const name = (service: string): string => `${consul.url}/v1/kv/upstreams/${service}/`;
  await eventually(() => source.find(name('web')) !== undefined);
  expect(shown(source.find(name('web')))).toEqual(['10.0.0.1:80*7', '10.0.0.2:80*3']);
  expect(source.find(name('skipped'))).toEqual(NONE);
  consul.setPair('upstreams/web/10.0.0.1:80', { weight: 1 });
  await eventually(() => String(shown(source.find(name('web')))).startsWith('10.0.0.1:80*1'));
  for (const key of [...consul.pairs.keys()]) consul.setPair(key, undefined);
  await eventually(() => 'failure' in (source.find(name('web')) ?? {}));
});

test('a server that fails is asked again after 1, 4, 16, 64 and 256 seconds, then anew', () => {
  const delays = [0, 1, 2, 3, 4, 5].reduce<number[]>(
    (all) => [...all, retryDelayMs(all.at(-1) ?? 0)],
    [],
  );
  expect(delays).toEqual([1000, 4000, 16_000, 64_000, 256_000, 1000]);
});
