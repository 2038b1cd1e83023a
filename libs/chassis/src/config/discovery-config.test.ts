import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConfigFileError } from './config-file-error.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { loadConfig } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'discovery-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(discovery: string): GatewayConfig {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, `discovery: ${discovery}`);
  return loadConfig(file, {});
}

function problems(discovery: string): readonly string[] {
  try {
    load(discovery);
  } catch (error) {
    if (error instanceof ConfigFileError) return error.problems;
    throw error;
  }
  return [];
}

test('no registry is asked where none is written', () => {
  expect(load('{}').discovery).toEqual({
    dns: undefined,
    consul: undefined,
    consulKv: undefined,
    kubernetes: undefined,
  });
});

test('dns takes servers or a resolv.conf, and the order of record types', () => {
  expect(load('{dns: {servers: ["127.0.0.1:1053", "::1"]}}').discovery.dns).toEqual({
    servers: ['127.0.0.1:1053', '::1'],
    resolvConf: undefined,
    order: ['last', 'SRV', 'A', 'AAAA', 'CNAME'],
  });
  expect(load('{dns: {resolv_conf: a/resolv.conf, order: [A, SRV]}}').discovery.dns).toEqual({
    servers: undefined,
    resolvConf: resolve('a/resolv.conf'),
    order: ['A', 'SRV'],
  });
});

test('consul has the defaults of APISIX, which the Control API shows without the token', () => {
  const { consul } = load(
    '{consul: {servers: ["http://127.0.0.1:8500"], token: secret}}',
  ).discovery;
  expect(consul).toMatchObject({
    servers: ['http://127.0.0.1:8500'],
    token: 'secret',
    fetchIntervalMs: 3000,
    keepalive: true,
    weight: 1,
    connectTimeoutMs: 2000,
    readTimeoutMs: 2000,
    waitMs: 60_000,
    sortType: 'origin',
    skipServices: [],
    dump: undefined,
    defaultService: undefined,
  });
  expect(consul?.shown).toEqual({
    servers: ['http://127.0.0.1:8500'],
    token: '***',
    fetch_interval: 3,
    keepalive: true,
    weight: 1,
    timeout: { connect: 2000, read: 2000, wait: 60 },
    shared_size: '64m',
    sort_type: 'origin',
  });
});

test('one cluster finds its address and token where a pod has them', () => {
  const { kubernetes } = load('{kubernetes: {default_weight: 33}}').discovery;
  expect(kubernetes?.clusters).toMatchObject([
    {
      scheme: 'https',
      host: '${KUBERNETES_SERVICE_HOST}',
      port: '${KUBERNETES_SERVICE_PORT}',
      token: undefined,
      tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
      defaultWeight: 33,
      watchEndpointSlices: false,
      verify: false,
    },
  ]);
  expect(load('{kubernetes: {client: {token: abc}}}').discovery.kubernetes?.shown).toEqual({
    service: {
      schema: 'https',
      host: '${KUBERNETES_SERVICE_HOST}',
      port: '${KUBERNETES_SERVICE_PORT}',
    },
    client: { token: '***' },
    watch_endpoint_slices: false,
    shared_size: '64m',
    default_weight: 50,
  });
});

test('registries that are not spoken to are named as keys without effect', () => {
  const { withoutEffect } = load('{nacos: {host: ["http://a"]}, eureka: {}, tars: {db_conf: {}}}');
  expect(withoutEffect).toEqual(
    expect.arrayContaining(['discovery.nacos', 'discovery.eureka', 'discovery.tars']),
  );
});

const CLUSTER = 'service: {host: a.b, port: "1"}, client: {token: t}';

test.each([
  ['{dns: {}}', 'discovery.dns: expected one of servers and resolv_conf'],
  ['{dns: {servers: [a], order: [A]}}', 'discovery.dns.servers[0]: expected an address, with'],
  ['{dns: {servers: [127.0.0.1], order: [B]}}', 'discovery.dns.order[0]: expected one of last,'],
  ['{dns: {servers: [127.0.0.1], order: [SRV, SRV]}}', 'discovery.dns.order: expected unique'],
  ['{consul: {weight: 1}}', 'discovery.consul.servers: is required'],
  ['{consul: {servers: ["https://a:1"]}}', 'discovery.consul.servers[0]: expected a URL as http'],
  ['{consul: {servers: ["http://a:1/"]}}', 'discovery.consul.servers[0]: expected a URL as http'],
  ['{kubernetes: [{id: A1}]}', 'discovery.kubernetes[0].id: expected 1 to 64 small letters'],
  ['{kubernetes: [{id: a}]}', 'discovery.kubernetes[0].service.host: is required'],
  [`{kubernetes: [{${CLUSTER}}]}`, 'discovery.kubernetes[0].id: is required'],
  [
    `{kubernetes: [{id: a, ${CLUSTER}}, {id: a, ${CLUSTER}}]}`,
    'kubernetes[1].id: a is there twice',
  ],
  ['{kubernetes: {namespace_selector: {equal: a, not_equal: b}}}', 'expected one selector at most'],
])('%s is refused: %s', (discovery, problem) => {
  expect(problems(discovery).join('\n')).toContain(problem);
});
