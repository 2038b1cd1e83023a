import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DnsDiscoveryConfig } from '@polygate/chassis';
import { memoryLog } from '@polygate/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestNameServer } from '../../dns/name-server.harness.ts';
import { eventually } from '../../gateway.harness.ts';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { DnsSource } from './dns-source.ts';

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
});

let server: TestNameServer;
beforeEach(async () => {
  server = await new TestNameServer().start();
  cleanups.push(() => server.stop());
});

function open(more: Partial<DnsDiscoveryConfig> & { ipv6?: boolean } = {}): DnsSource {
  const { ipv6 = true, ...rest } = more;
  const source = new DnsSource(
    {
      servers: [server.address],
      resolvConf: undefined,
      order: ['last', 'SRV', 'A', 'AAAA', 'CNAME'],
      ...rest,
    },
    { ipv6, log: memoryLog() },
    { onChange: () => undefined },
  );
  cleanups.push(() => source.close());
  return source;
}

async function ask(source: DnsSource, name: string): Promise<ServiceAnswer | undefined> {
  source.want(name);
  await eventually(() => source.find(name) !== undefined);
  return source.find(name);
}

test('addresses are nodes, with the port of the service name', async () => {
  server.zone = { 'a.test': { A: ['10.0.0.1', '10.0.0.2'] }, 'six.test': { AAAA: ['fd00::1'] } };
  const source = open();
  expect(await ask(source, 'A.test:1980')).toEqual({
    nodes: [
      { host: '10.0.0.1', port: 1980, weight: 1 },
      { host: '10.0.0.2', port: 1980, weight: 1 },
    ],
  });
  expect(await ask(source, 'a.test')).toEqual({
    nodes: [
      { host: '10.0.0.1', weight: 1 },
      { host: '10.0.0.2', weight: 1 },
    ],
  });
  expect(await ask(source, 'six.test:80')).toEqual({
    nodes: [{ host: 'fd00::1', port: 80, weight: 1 }],
  });
  expect(await ask(open({ ipv6: false }), 'six.test:80')).toHaveProperty('failure');
});

test('services share a weight among the addresses of a target, the least priority comes first', async () => {
  server.zone = {
    'one.test': { A: ['10.0.0.1'] },
    'two.test': { A: ['10.0.0.2', '10.0.0.3'] },
    '_sip._tcp.test': {
      SRV: [
        { target: 'one.test', port: 1, weight: 100, priority: 10 },
        { target: 'two.test', port: 2, weight: 0, priority: 20 },
      ],
    },
    'zero.test': { SRV: [{ target: 'one.test', port: 0, weight: 5 }] },
  };
  const source = open();
  const expected = [
    { host: '10.0.0.1', port: 1, weight: 200, priority: -10 },
    { host: '10.0.0.2', port: 2, weight: 1, priority: -20 },
    { host: '10.0.0.3', port: 2, weight: 1, priority: -20 },
  ];
  expect(await ask(source, '_sip._tcp.test')).toEqual({ nodes: expected });
  expect(await ask(source, '_sip._tcp.test:9')).toEqual({
    nodes: expected.map((node) => ({ ...node, port: 9 })),
  });
  expect(await ask(source, 'zero.test')).toEqual({
    nodes: [{ host: '10.0.0.1', weight: 5, priority: -0 }],
  });
});

test('the first type in the order that a name has is taken', async () => {
  server.zone = {
    'both.test': { A: ['10.0.0.1'], SRV: [{ target: 'other.test', port: 7, weight: 1 }] },
    'other.test': { A: ['10.0.0.2'] },
  };
  const hostOf = async (order: DnsDiscoveryConfig['order']): Promise<unknown> => {
    const answer = await ask(open({ order }), 'both.test');
    return answer && 'nodes' in answer ? answer.nodes[0]?.host : answer;
  };
  expect(await hostOf(['last', 'SRV', 'A'])).toBe('10.0.0.2');
  expect(await hostOf(['A', 'SRV'])).toBe('10.0.0.1');
});

test('what is too old is asked anew in the background, and stays while nobody answers', async () => {
  server.zone = { 'a.test': { A: ['10.0.0.1'], ttl: 0 } };
  const source = open();
  const first = await ask(source, 'a.test');
  server.zone = { 'a.test': { isBroken: true } };
  const asked = server.asked.length;
  await eventually(() => server.asked.length > asked + 1);
  expect(source.find('a.test')).toBe(first);
  server.zone = { 'a.test': { A: ['10.0.0.2'], ttl: 60 } };
  await eventually(() => source.find('a.test') !== first);
  expect(source.find('a.test')).toEqual({ nodes: [{ host: '10.0.0.2', weight: 1 }] });
});

test('a name that is gone has no nodes, and what nobody needs is not asked for', async () => {
  server.zone = { 'a.test': { A: ['10.0.0.1'], ttl: 0 } };
  const source = open();
  await ask(source, 'a.test');
  server.zone = {};
  await eventually(() => 'failure' in (source.find('a.test') ?? {}));
  expect(source.find('a.test')).toEqual({
    failure: expect.stringMatching(
      /^no valid upstream node: failed to query the DNS server: /,
    ) as string,
  });
  source.unwant('a.test');
  expect(source.find('a.test')).toBeUndefined();
});

test.each(['$1:$2', '[$1]:$2'])(
  'servers and search domains may come from a file: %s',
  async (form) => {
    const folder = mkdtempSync(join(tmpdir(), 'resolv-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'resolv.conf');
    const nameServer = server.address.replace(/^(.+):(\d+)$/, form);
    writeFileSync(file, `search inner.test\nnameserver ${nameServer}\n`);
    server.zone = { 'a.inner.test': { A: ['10.0.0.5'] } };
    const source = open({ servers: undefined, resolvConf: file });
    expect(await ask(source, 'a:80')).toEqual({
      nodes: [{ host: '10.0.0.5', port: 80, weight: 1 }],
    });
  },
);
