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
    nacos: undefined,
    eureka: undefined,
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

test('nacos has the defaults of APISIX; passwords may have any characters in them', () => {
  const hosts = '["http://nacos:n@cos#:1@127.0.0.1:8848", "https://b"]';
  expect(load(`{nacos: {host: ${hosts}}}`).discovery.nacos).toEqual({
    endpoints: [
      { url: 'http://127.0.0.1:8848/nacos/v1/', credentials: 'nacos:n@cos#:1' },
      { url: 'https://b/nacos/v1/', credentials: undefined },
    ],
    fetchIntervalMs: 30_000,
    weight: 100,
    connectTimeoutMs: 2000,
    sendTimeoutMs: 2000,
    readTimeoutMs: 5000,
    accessKey: '',
    secretKey: '',
  });
});

test('eureka is shown as it is written, without passwords', () => {
  const written = '{host: ["http://a:b@127.0.0.1:8761"], prefix: /eureka, timeout: {read: 1500}}';
  const { eureka } = load(`{eureka: ${written}}`).discovery;
  expect(eureka).toMatchObject({
    endpoints: [{ url: 'http://127.0.0.1:8761/eureka/', credentials: 'a:b' }],
    weight: 100,
    connectTimeoutMs: 2000,
    sendTimeoutMs: 2000,
    readTimeoutMs: 1500,
  });
  expect(eureka?.shown).toEqual({
    host: ['http://***@127.0.0.1:8761'],
    fetch_interval: 30,
    prefix: '/eureka',
    timeout: { connect: 2000, send: 2000, read: 1500 },
  });
  expect(load('{eureka: {host: ["http://a/b"]}}').discovery.eureka).toMatchObject({
    endpoints: [{ url: 'http://a/b/', credentials: undefined }],
    shown: { host: ['http://a/b'], fetch_interval: 30 },
  });
});

test('a registry that is not spoken to is named as a key without effect', () => {
  expect(load('{tars: {db_conf: {}}}').withoutEffect).toEqual(['discovery.tars']);
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
  ['{nacos: {}}', 'discovery.nacos.host: is required'],
  ['{nacos: {host: [127.0.0.1]}}', 'discovery.nacos.host[0]: expected a URL as http'],
  ['{nacos: {host: ["http://a/b"]}}', 'discovery.nacos.host[0]: expected a URL as http'],
  ['{nacos: {host: ["http://a"], weight: 0}}', 'discovery.nacos.weight: expected a whole number'],
  ['{nacos: {host: ["http://a"], prefix: "/?a"}}', 'discovery.nacos.prefix: expected a path'],
  ['{eureka: {host: []}}', 'discovery.eureka.host: expected a list of URLs, got an empty list'],
  ['{eureka: {host: [127.0.0.1]}}', 'discovery.eureka.host[0]: expected a URL as http'],
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
