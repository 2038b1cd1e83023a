import { randomUUID } from 'node:crypto';
import type { ConsulDiscoveryConfig } from '@polygate/chassis';
import { memoryLog } from '@polygate/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../gateway.harness.ts';
import { ConsulAgent, hasConsul } from './consul-agent.harness.ts';
import { openConsulKv } from './consul-kv-source.ts';
import type { ConsulRegistry } from './consul-registry.ts';
import { openConsul } from './consul-source.ts';

// The same sources as elsewhere, against Consul itself. No registry that we may name has its binary:
// POLYGATE_CONSUL names the executable of a build of its own.

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startAgent(token?: string): Promise<ConsulAgent> {
  const agent = await ConsulAgent.start(token);
  cleanups.push(() => agent.stop());
  return agent;
}

function open(
  { url }: ConsulAgent,
  more: Partial<ConsulDiscoveryConfig> = {},
  openSource = openConsul,
): ConsulRegistry {
  const config: ConsulDiscoveryConfig = {
    servers: [url],
    token: '',
    fetchIntervalMs: 50,
    keepalive: true,
    weight: 1,
    connectTimeoutMs: 2000,
    readTimeoutMs: 2000,
    waitMs: 60_000,
    sortType: 'host_sort',
    skipServices: [],
    prefix: 'upstreams',
    dump: undefined,
    defaultService: undefined,
    shown: {},
    ...more,
  };
  const source = openSource(config, { log: memoryLog() }, { onChange: () => undefined });
  cleanups.push(() => source.close());
  return source;
}

function hostsOf(source: ConsulRegistry, name: string): string {
  const answer = source.find(name) ?? { failure: 'not yet' };
  return 'failure' in answer
    ? answer.failure
    : answer.nodes.map(({ host, port, weight }) => `${host}:${port}*${weight}`).join();
}

const NONE = 'no valid upstream node: nil';

describe.skipIf(!hasConsul())('an agent of Consul', { timeout: 60_000 }, () => {
  test.each([true, false])('tells of instances that pass (keepalive: %s)', async (keepalive) => {
    const agent = await startAgent();
    const source = open(agent, { keepalive });
    await eventually(() => hostsOf(source, 'web') === NONE);
    await agent.register('web', '10.0.0.1', 80);
    await agent.register('web', '10.0.0.2', 81);
    await eventually(() => hostsOf(source, 'web') === '10.0.0.1:80*1,10.0.0.2:81*1');
    await agent.setCheck('10.0.0.1', 'fail');
    await eventually(() => hostsOf(source, 'web') === '10.0.0.2:81*1');
    await agent.setCheck('10.0.0.1', 'pass');
    await eventually(() => hostsOf(source, 'web') === '10.0.0.1:80*1,10.0.0.2:81*1');
    await agent.setCheck('10.0.0.2', 'warn');
    await eventually(() => hostsOf(source, 'web') === '10.0.0.1:80*1');
    await agent.deregister('10.0.0.1');
    await eventually(() => hostsOf(source, 'web') === NONE);
  });

  test('has pairs, and lets go of them', async () => {
    const agent = await startAgent();
    const source = open(agent, {}, openConsulKv);
    const name = `${agent.url}/v1/kv/upstreams/web/`;
    await agent.setPair('upstreams/web/10.0.0.1:80', { weight: 7 });
    await eventually(() => hostsOf(source, name) === '10.0.0.1:80*7');
    await agent.setPair('upstreams/web/10.0.0.2:80', {});
    await eventually(() => hostsOf(source, name) === '10.0.0.1:80*7,10.0.0.2:80*1');
    await agent.removePair('upstreams/web/10.0.0.1:80');
    await eventually(() => hostsOf(source, name) === '10.0.0.2:80*1');
    await agent.removePair('upstreams/web/10.0.0.2:80');
    await eventually(() => hostsOf(source, name) === NONE);
  });

  test('answers those who have a token', async () => {
    const token = randomUUID();
    const agent = await startAgent(token);
    await agent.register('web', '10.0.0.1', 80);
    const [known, stranger] = [open(agent, { token }), open(agent)];
    await eventually(() => hostsOf(known, 'web') === '10.0.0.1:80*1');
    await eventually(() => hostsOf(stranger, 'web') === NONE);
  });

  test('may go and come back without what it knew', async () => {
    const agent = await startAgent();
    const [services, pairs] = [open(agent), open(agent, {}, openConsulKv)];
    const name = `${agent.url}/v1/kv/upstreams/web/`;
    await agent.register('web', '10.0.0.1', 80);
    for (let i = 0; i < 20; i++) await agent.setPair('upstreams/web/10.0.0.1:80', { weight: 1 });
    const both = (): string => `${hostsOf(services, 'web')} ${hostsOf(pairs, name)}`;
    await eventually(() => both() === '10.0.0.1:80*1 10.0.0.1:80*1');
    await agent.stop();
    expect(both()).toBe('10.0.0.1:80*1 10.0.0.1:80*1');
    await agent.start();
    await agent.register('web', '10.0.0.2', 80);
    await agent.setPair('upstreams/web/10.0.0.2:80', {});
    await eventually(() => both() === '10.0.0.2:80*1 10.0.0.2:80*1');
  });
});
