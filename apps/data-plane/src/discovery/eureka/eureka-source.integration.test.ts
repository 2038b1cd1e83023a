import type { EurekaDiscoveryConfig } from '@polygate/chassis';
import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../../gateway.harness.ts';
import { EurekaTestServer } from './eureka-server.harness.ts';
import { EurekaSource } from './eureka-source.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startEureka(): Promise<EurekaTestServer> {
  const eureka = await new EurekaTestServer().start();
  cleanups.push(() => eureka.stop());
  return eureka;
}

function open(
  servers: readonly EurekaTestServer[],
  more: Partial<EurekaDiscoveryConfig> = {},
  log = memoryLog(),
): EurekaSource {
  const config = {
    endpoints: servers.map(({ port, credentials }) => ({
      url: `http://127.0.0.1:${port}/eureka/`,
      credentials: credentials === '' ? undefined : credentials,
    })),
    fetchIntervalMs: 20,
    weight: 80,
    connectTimeoutMs: 1000,
    sendTimeoutMs: 1000,
    readTimeoutMs: 1000,
    shown: { some: 'conf' },
    ...more,
  };
  const source = new EurekaSource(config, { log }, { onChange: () => undefined });
  cleanups.push(() => source.close());
  return source;
}

const NONE = { failure: 'no valid upstream node: nil' };

function hostsOf(source: EurekaSource, name: string): string | undefined {
  const answer = source.find(name);
  if (answer === undefined || 'failure' in answer) return answer?.failure;
  return answer.nodes.map(({ host, port }) => `${host}:${port}`).join();
}

test('instances that are up are known, at the secure port if that is on, and changes come', async () => {
  const eureka = await startEureka();
  eureka.set(
    'WEB',
    { ipAddr: '10.0.0.1', port: 80 },
    { ipAddr: '10.0.0.2', port: 80, securePort: 443 },
    { ipAddr: '10.0.0.3', port: 80, status: 'DOWN' },
    { ipAddr: '10.0.0.4', port: 80, overridden: 'OUT_OF_SERVICE' },
    { ipAddr: '10.0.0.5', port: 80, status: 'STARTING', overridden: 'UP' },
    { ipAddr: '10.0.0.6' },
    { ipAddr: 'localhost', port: 81 },
  );
  eureka.set('SLEEPING', { ipAddr: '10.0.0.1', port: 80, status: 'DOWN' });
  const source = open([eureka]);
  expect(source.find('WEB')).toBeUndefined();
  await eventually(() => source.find('WEB') !== undefined);
  expect(hostsOf(source, 'WEB')).toBe('10.0.0.1:80,10.0.0.2:443,10.0.0.5:80,localhost:81');
  expect([source.find('SLEEPING'), source.find('web')]).toEqual([NONE, NONE]);
  eureka.set('WEB', { ipAddr: '10.0.0.7', port: 80 });
  await eventually(() => hostsOf(source, 'WEB') === '10.0.0.7:80');
  eureka.set('WEB');
  await eventually(() => hostsOf(source, 'WEB') === NONE.failure);
});

test('a weight is the one in the metadata, which are kept without it', async () => {
  const eureka = await startEureka();
  eureka.set(
    'WEB',
    { ipAddr: '10.0.0.1', port: 80, metadata: { weight: 5, zone: 'a' } },
    { ipAddr: '10.0.0.2', port: 80, metadata: { weight: '6' } },
    { ipAddr: '10.0.0.3', port: 80 },
  );
  const source = open([eureka]);
  expect(source.dump()).toEqual({ config: { some: 'conf' }, services: {} });
  await eventually(() => source.find('WEB') !== undefined);
  expect(source.dump()).toEqual({
    config: { some: 'conf' },
    services: {
      WEB: [
        { host: '10.0.0.1', port: 80, weight: 5, metadata: { zone: 'a' } },
        { host: '10.0.0.2', port: 80, weight: 6, metadata: {} },
        { host: '10.0.0.3', port: 80, weight: 80 },
      ],
    },
  });
});

test('another server is asked when one fails', async () => {
  const [ill, well] = [await startEureka(), await startEureka()];
  ill.status = 502;
  well.set('WEB', { ipAddr: '10.0.0.1', port: 80 });
  const log = memoryLog();
  const source = open([ill, well], {}, log);
  await eventually(() => source.find('WEB') !== undefined && ill.asked > 0);
  expect(hostsOf(source, 'WEB')).toBe('10.0.0.1:80');
  const said = log.lines.join();
  expect(said).toContain(
    `failed to fetch registry from http://127.0.0.1:${ill.port}/eureka/: status=502`,
  );
  expect(said).not.toContain('failed to fetch registry from all eureka hosts');
});

test('what is known stays while Eureka is lost, and the credentials are shown to it', async () => {
  const eureka = await startEureka();
  eureka.credentials = 'user:p@ss';
  eureka.set('WEB', { ipAddr: '10.0.0.1', port: 80 });
  const source = open([eureka]);
  await eventually(() => source.find('WEB') !== undefined);
  eureka.credentials = 'user:other';
  const { asked } = eureka;
  await eventually(() => eureka.asked > asked + 1);
  expect(hostsOf(source, 'WEB')).toBe('10.0.0.1:80');
  await eureka.stop();
  expect(hostsOf(source, 'WEB')).toBe('10.0.0.1:80');
  eureka.credentials = 'user:p@ss';
  eureka.set('WEB', { ipAddr: '10.0.0.2', port: 80 });
  await eureka.start();
  await eventually(() => hostsOf(source, 'WEB') === '10.0.0.2:80');
});

test('where no server has ever answered there are no nodes, and it is said', async () => {
  const eureka = await startEureka();
  eureka.status = 503;
  const log = memoryLog();
  const source = open([eureka], {}, log);
  await eventually(() => source.find('WEB') !== undefined);
  expect(source.find('WEB')).toEqual(NONE);
  expect(log.lines.join()).toContain(
    'failed to fetch registry from all eureka hosts, no healthy endpoint found, tried 1 host(s)',
  );
});
