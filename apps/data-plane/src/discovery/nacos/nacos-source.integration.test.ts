import { createHmac } from 'node:crypto';
import type { NacosDiscoveryConfig } from '@polygate/chassis';
import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../../gateway.harness.ts';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { serviceOf } from '../discovery-messages.ts';
import { NacosTestServer } from './nacos-server.harness.ts';
import { NacosSource } from './nacos-source.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startNacos(): Promise<NacosTestServer> {
  const nacos = await new NacosTestServer().start();
  cleanups.push(() => nacos.stop());
  return nacos;
}

function open(
  servers: readonly NacosTestServer[],
  more: Partial<NacosDiscoveryConfig> = {},
  log = memoryLog(),
): NacosSource {
  const endpoints = servers.map(({ password, port }) => ({
    url: `http://127.0.0.1:${port}/nacos/v1/`,
    credentials: password === '' ? undefined : `nacos:${password}`,
  }));
  const config = {
    endpoints,
    fetchIntervalMs: 20,
    weight: 7,
    connectTimeoutMs: 1000,
    sendTimeoutMs: 1000,
    readTimeoutMs: 1000,
    accessKey: '',
    secretKey: '',
    ...more,
  };
  const source = new NacosSource(config, { log }, { onChange: () => undefined });
  cleanups.push(() => source.close());
  return source;
}

const LONG_MS = 3_600_000;
const NONE = { failure: 'no valid upstream node: nil' };
const instance = (ip: string, more: object = {}) => ({ ip, port: 80, weight: 1, ...more });
const TEST_PLACE = { namespace: 'ns', group: 'g', isGrpc: false };

function shown(answer: ServiceAnswer | undefined): unknown {
  if (answer === undefined || 'failure' in answer) return answer;
  return answer.nodes.map(({ host, port, weight }) => `${host}:${port}*${weight}`).join();
}

test('healthy instances of what is wanted are known, and changes as they come', async () => {
  const nacos = await startNacos();
  nacos.set('a', [
    instance('10.0.0.1'),
    instance('10.0.0.2', { weight: undefined }),
    instance('10.0.0.3', { healthy: false }),
  ]);
  const source = open([nacos]);
  expect(source.find('a')).toBeUndefined();
  source.want('a');
  await eventually(() => source.find('a') !== undefined);
  expect(shown(source.find('a'))).toBe('10.0.0.1:80*1,10.0.0.2:80*7');
  nacos.set('a', [instance('10.0.0.4')]);
  await eventually(() => shown(source.find('a')) === '10.0.0.4:80*1');
  nacos.set('a', []);
  await eventually(() => shown(source.find('a')) === '');
  source.unwant('a');
  await eventually(() => source.find('a') === undefined);
});

test('a service that becomes needed is asked for at once, with nothing else', async () => {
  const nacos = await startNacos();
  nacos.set('b', [instance('10.0.0.1')], 'ns/g');
  const source = open([nacos], { fetchIntervalMs: LONG_MS });
  source.expect([serviceOf({ discovery_type: 'nacos', service_name: 'a' })]);
  await eventually(() => source.find('a') !== undefined);
  source.want('b', TEST_PLACE);
  await eventually(() => source.find('b', TEST_PLACE) !== undefined);
  expect(shown(source.find('b', TEST_PLACE))).toBe('10.0.0.1:80*1');
  expect(nacos.asked.map((query) => query.toString())).toEqual([
    'healthyOnly=true&serviceName=a&namespaceId=public&groupName=DEFAULT_GROUP',
    'healthyOnly=true&serviceName=b&namespaceId=ns&groupName=g',
  ]);
});

test('namespaces and groups are apart, and the dump names them', async () => {
  const nacos = await startNacos();
  const places = ['public/DEFAULT_GROUP', 'ns/DEFAULT_GROUP', 'public/g', 'ns/g'];
  places.forEach((place, i) => nacos.set('a', [instance(`10.0.0.${i}`)], place));
  const source = open([nacos]);
  const service = { discovery_type: 'nacos', service_name: 'a' };
  const args = [
    {},
    { namespace_id: 'ns' },
    { group_name: 'g' },
    { namespace_id: 'ns', group_name: 'g' },
  ];
  source.expect(args.map((discovery_args) => serviceOf({ ...service, discovery_args })));
  await eventually(() => source.find('a', TEST_PLACE) !== undefined);
  expect(source.dump()).toEqual({
    services: Object.fromEntries(
      places.map((place, i) => [
        `default/${place}/a`,
        { nodes: [{ host: `10.0.0.${i}`, port: 80, weight: 1 }] },
      ]),
    ),
  });
});

test('gRPC goes to the port that the metadata name', async () => {
  const nacos = await startNacos();
  nacos.set('a', [instance('10.0.0.1', { metadata: { gRPC_port: '90' } })]);
  const source = open([nacos]);
  const { place } = serviceOf({ discovery_type: 'nacos', service_name: 'a', scheme: 'grpcs' });
  source.want('a', place);
  source.want('a');
  await eventually(() => source.find('a') !== undefined);
  expect([source.find('a', place), source.find('a')].map(shown)).toEqual([
    '10.0.0.1:90*1',
    '10.0.0.1:80*1',
  ]);
  source.unwant('a');
  const { length } = nacos.asked;
  await eventually(() => nacos.asked.length > length + 2);
  expect(shown(source.find('a', place))).toBe('10.0.0.1:90*1');
});

test('it logs in with any password, and says so when it may not', async () => {
  const nacos = await startNacos();
  nacos.password = 'n@cos!#$%^&*()[]:';
  nacos.set('a', [instance('10.0.0.1')]);
  const source = open([nacos]);
  source.want('a');
  await eventually(() => source.find('a') !== undefined);
  expect(shown(source.find('a'))).toBe('10.0.0.1:80*1');
  const log = memoryLog();
  const stranger = open(
    [nacos],
    { endpoints: [{ url: `http://127.0.0.1:${nacos.port}/nacos/v1/`, credentials: 'nacos:b' }] },
    log,
  );
  stranger.want('a');
  await eventually(() => stranger.find('a') !== undefined);
  expect(stranger.find('a')).toEqual(NONE);
  const said = log.lines.join();
  expect(said).toContain('nacos login fail:nacos desc:status = 403');
  expect(said).toContain('failed to fetch nacos registry from all hosts, id: default');
});

test('questions are signed where there are keys', async () => {
  const nacos = await startNacos();
  const source = open([nacos], { accessKey: 'my key', secretKey: 'secret' });
  source.want('a');
  await eventually(() => nacos.asked.length > 0);
  const { ak, data = '', signature } = Object.fromEntries(nacos.asked[0] ?? []);
  expect(data).toMatch(/^\d{13}@@DEFAULT_GROUP@@a$/);
  expect(ak).toBe('my key');
  expect(signature).toBe(createHmac('sha1', 'secret').update(data).digest('base64'));
});

test('another server is asked when one fails', async () => {
  const [ill, well] = [await startNacos(), await startNacos()];
  well.set('a', [instance('10.0.0.1')]);
  ill.broken.add('a');
  const source = open([ill, well]);
  source.want('a');
  await eventually(() => source.find('a') !== undefined);
  expect(shown(source.find('a'))).toBe('10.0.0.1:80*1');
  await eventually(() => ill.asked.length > 0);
  expect(shown(source.find('a'))).toBe('10.0.0.1:80*1');
});

test('one service that fails takes no other with it, and all stay while nobody answers', async () => {
  const nacos = await startNacos();
  for (const name of ['a', 'b']) nacos.set(name, [instance('10.0.0.1')]);
  nacos.broken.add('b');
  const source = open([nacos]);
  for (const name of ['a', 'b']) source.want(name);
  await eventually(() => source.find('a') !== undefined && source.find('b') !== undefined);
  expect([source.find('a'), source.find('b')].map(shown)).toEqual(['10.0.0.1:80*1', NONE]);
  nacos.broken.clear();
  await eventually(() => shown(source.find('b')) === '10.0.0.1:80*1');
  await nacos.stop();
  const { length } = nacos.asked;
  expect([source.find('a'), source.find('b')].map(shown)).toEqual(Array(2).fill('10.0.0.1:80*1'));
  await nacos.start();
  nacos.set('a', [instance('10.0.0.2')]);
  await eventually(
    () => nacos.asked.length > length && shown(source.find('a')) === '10.0.0.2:80*1',
  );
});
