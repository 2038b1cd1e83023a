import { createCipheriv, createDecipheriv, createPrivateKey } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTestCertificates, hasEtcd, startEtcd } from '@polygate/testing';
import type { EtcdServer, TestCertificates } from '@polygate/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startEchoUpstream } from './echo-upstream.ts';
import type { EchoUpstream } from './echo-upstream.ts';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

// Moving from APISIX to Polygate and back: both keep the same things in etcd. The layout is that of
// apisix/admin/*.lua, apisix/core/etcd.lua, apisix/cli/etcd.lua and apisix/core/data_encryption.lua.

/** Processes start in each test, on machines that may be busy. */
const TEST_MS = 120_000;
const ADMIN_KEY = 'key-of-this-test-only';
/** The newest first: it encrypts, all of them decrypt. */
const KEYRING = ['0123456789abcdef', 'qeddd145sfvddff3'] as const;
const TIMES = { create_time: 1_690_000_000, update_time: 1_690_000_001 };

/** Each has `<prefix>/<kind>/` with a text in it that is no JSON, since APISIX started. */
const DIRECTORIES = [
  'routes',
  'upstreams',
  'services',
  'plugins',
  'consumers',
  'ssls',
  'protos',
  'global_rules',
  'stream_routes',
  'plugin_metadata',
  'plugin_configs',
  'consumer_groups',
  'secrets',
];

let folder: string;
let etcd: EtcdServer;
let echo: EchoUpstream;
let certificates: TestCertificates;
let services: ServiceProcess[];
let adminUrl: string;

describe.skipIf(!hasEtcd())('an etcd that APISIX and Polygate share', { timeout: TEST_MS }, () => {
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'polygate-migration-'));
    services = [];
    [etcd, echo, certificates] = await Promise.all([
      startEtcd(),
      startEchoUpstream({ host: '127.0.0.1', port: 0 }),
      createTestCertificates(folder),
    ]);
  });
  afterEach(async () => {
    await Promise.all(services.map((service) => service.stop()));
    await Promise.all([etcd.close(), echo.close()]);
    await rm(folder, { recursive: true });
  });

  test('what APISIX wrote is shown by the Admin API as APISIX shows it', async () => {
    const written = await writeAsApisix();
    await startAdmin();
    for (const [kind, total] of [
      ['routes', 3],
      ['services', 1],
      ['consumers', 1],
      ['consumers/jack/credentials', 2],
      ['secrets', 1],
      ['stream_routes', 0],
      ['protos', 1],
    ] as const) {
      const { body } = await admin('GET', `/${kind}`);
      expect([kind, body.total ?? body.error_msg]).toEqual([
        kind,
        kind === 'stream_routes' ? 'stream mode is disabled, can not add stream routes' : total,
      ]);
    }
    const { body: route } = await admin('GET', '/routes/1');
    expect(route).toMatchObject({ key: '/apisix/routes/1', value: written['/routes/1'] });
    expect(route.modifiedIndex).toBeGreaterThan(1);
    const { body: pushed } = await admin('GET', `/routes/${PUSHED_ID}`);
    expect(pushed.value).toEqual(written[`/routes/${PUSHED_ID}`]);
    for (const id of ['new', 'old']) {
      const { body } = await admin('GET', `/consumers/jack/credentials/${id}`);
      expect(body.value.plugins).toEqual({ 'key-auth': { key: `${id}-secret` } });
    }
    const { body: ssl } = await admin('GET', '/ssls/1');
    expect([ssl.value.snis, ssl.value.key]).toEqual([['etcd.test'], undefined]);
    const { body: secret } = await admin('GET', '/secrets/vault/1');
    expect(secret.value).toEqual(written['/secrets/vault/1']);
  });

  test('what APISIX wrote is served', async () => {
    await writeAsApisix();
    await startAdmin();
    const { http, https } = await startDataPlane();
    const { body: planes } = await until(
      () => admin('GET', '/polygate/data-planes'),
      ({ body }) => body.list[0]?.applied_revision > 1,
    );
    expect(planes.list[0].rejected).toEqual([]);
    expect((await fetch(`${http}/hello`)).status).toBe(401);
    for (const id of ['new', 'old']) {
      const response = await fetch(`${http}/hello`, { headers: { apikey: `${id}-secret` } });
      expect([id, response.status], services.at(-1)?.output()).toEqual([id, 200]);
      const { headers } = (await response.json()) as { headers: Record<string, string> };
      expect(headers).toMatchObject({
        'x-consumer-username': 'jack',
        'x-credential-identifier': id,
      });
      expect(response.headers.get('x-by-plugin-config')).toBe('yes');
      expect(response.headers.get('x-request-id')).toMatch(/^[\w-]{8,}$/);
    }
    expect((await fetch(`${http}/pushed/x`)).status).toBe(200);
    expect((await fetch(`${http}/switched-off`)).status).toBe(404);
    expect(await getByTls(https, 'etcd.test', '/pushed/x')).toBe(200);
  });

  test('what Polygate writes has the keys and the fields of APISIX, and nothing else', async () => {
    await startAdmin();
    const key = await readFile(certificates.serverKeyFile, 'utf8');
    const expected: Record<string, object> = {};
    for (const [at, body] of Object.entries(await everyKind())) {
      const reply = await admin('PUT', at, body);
      expect([at, reply.status]).toEqual([at, 201]);
      const hasTimes = !at.startsWith('/plugin_metadata');
      const times = { create_time: expect.any(Number), update_time: expect.any(Number) };
      expected[at] = { ...body, ...idOf(at), ...(hasTimes && times) };
    }
    const pushed = await admin('POST', '/routes', { uri: '/pushed', upstream_id: '1' });
    expect([pushed.status, pushed.body.value.id]).toEqual([201, expect.stringMatching(/^\d{20}$/)]);
    const { id } = pushed.body.value as { id: string };
    const fields = ['create_time', 'id', 'update_time', 'upstream_id', 'uri'];
    expect(Object.keys(pushed.body.value).toSorted()).toEqual(fields);
    expected[`/routes/${id}`] = { ...pushed.body.value };
    await admin('PUT', '/plugins/reload');

    const stored = await readStored();
    const { '/plugins': plugins, '/gen_id': generated, ...objects } = stored;
    // APISIX makes itself a revision to take the id from
    expect(generated).toBe(1);
    expect(plugins).toContainEqual({ name: 'key-auth' });
    const credential = at(objects, '/consumers/jack/credentials/c1', 'plugins', 'key-auth');
    expect(decrypt(String(credential['key']))).toBe('a-secret');
    credential['key'] = 'a-secret';
    for (const place of [at(objects, '/ssls/1'), at(objects, '/upstreams/mtls', 'tls')]) {
      const name = 'client_key' in place ? 'client_key' : 'key';
      expect(createPrivateKey(decrypt(String(place[name]))).type).toBe('private');
      expect(decrypt(String(place[name]))).toBe(key);
      place[name] = key;
    }
    expect(objects).toEqual(expected);
  });

  test('what is patched and deleted leaves what APISIX would leave', async () => {
    await writeAsApisix();
    await startAdmin();
    expect((await admin('PATCH', '/routes/1', { desc: 'changed' })).status).toBe(200);
    expect((await admin('DELETE', `/routes/${PUSHED_ID}`)).status).toBe(200);
    const patched = await admin('PATCH', '/upstreams/1/desc', 'another');
    expect(patched.status).toBe(200);
    const stored = await readStored();
    expect(stored['/routes/1']).toMatchObject({
      desc: 'changed',
      create_time: TIMES.create_time,
      plugins: { 'key-auth': {} },
    });
    expect(at(stored, '/routes/1')['update_time']).toBeGreaterThan(TIMES.update_time);
    expect(stored[`/routes/${PUSHED_ID}`]).toBeUndefined();
    expect((await admin('DELETE', '/consumers/jack')).status).toBe(200);
    const left = Object.keys(await readStored()).filter((key) => key.startsWith('/consumers'));
    expect(left).toEqual([]);
  });
});

const PUSHED_ID = '00000000000000000023';

function encrypt(text: string, key: string): string {
  const cipher = createCipheriv('aes-128-cbc', key, key);
  return Buffer.concat([cipher.update(text), cipher.final()]).toString('base64');
}

function decrypt(text: string): string {
  const decipher = createDecipheriv('aes-128-cbc', KEYRING[0], KEYRING[0]);
  return Buffer.concat([decipher.update(text, 'base64'), decipher.final()]).toString();
}

/** As `cjson` writes: with slashes escaped. */
function encode(value: unknown): string {
  return JSON.stringify(value).replaceAll('/', '\\/');
}

async function writeAsApisix(): Promise<Record<string, object>> {
  for (const kind of DIRECTORIES) await etcd.ctl(['put', `/apisix/${kind}/`, 'init_dir']);
  await etcd.ctl(['put', '/apisix/gen_id', '1']);
  // an instance of APISIX that is gone
  await etcd.ctl(['put', '/apisix/data_plane/server_info/abc', '{"version":"3.18.0"}']);
  const objects = await apisixObjects();
  for (const [key, value] of Object.entries(objects)) {
    await etcd.ctl(['put', `/apisix${key}`, encode(value)]);
  }
  return objects;
}

/** With the defaults that releases before 3.18 stored along, and ciphertexts of two keys. */
async function apisixObjects(): Promise<Record<string, object>> {
  const cert = await readFile(certificates.serverCertFile, 'utf8');
  const key = await readFile(certificates.serverKeyFile, 'utf8');
  const [newest, oldest] = KEYRING;
  const upstream = {
    type: 'roundrobin',
    hash_on: 'vars',
    scheme: 'http',
    pass_host: 'pass',
    nodes: { [`127.0.0.1:${echo.port}`]: 1 },
  };
  const credential = (id: string, by: string) => ({
    id,
    ...TIMES,
    plugins: { 'key-auth': { key: encrypt(`${id}-secret`, by) } },
  });
  const header = { headers: { set: { 'x-by-plugin-config': 'yes' } } };
  return {
    '/plugins': [
      ...['request-id', 'key-auth', 'proxy-rewrite', 'response-rewrite', 'limit-count'].map(
        (name) => ({ name }),
      ),
      { name: 'mqtt-proxy', stream: true },
    ],
    '/upstreams/1': { id: '1', ...upstream, ...TIMES },
    '/services/1': { id: '1', name: 'svc', upstream_id: '1', ...TIMES },
    '/plugin_configs/1': { id: '1', plugins: { 'response-rewrite': header }, ...TIMES },
    '/routes/1': {
      id: '1',
      uri: '/hello',
      priority: 0,
      status: 1,
      service_id: '1',
      plugin_config_id: '1',
      plugins: { 'key-auth': {} },
      ...TIMES,
    },
    [`/routes/${PUSHED_ID}`]: {
      id: PUSHED_ID,
      uris: ['/pushed/*'],
      methods: ['GET'],
      upstream,
      ...TIMES,
    },
    '/routes/off': { id: 'off', uri: '/switched-off', status: 0, upstream_id: '1', ...TIMES },
    '/consumers/jack': { username: 'jack', group_id: 'g', plugins: {}, ...TIMES },
    '/consumers/jack/credentials/new': credential('new', newest),
    '/consumers/jack/credentials/old': credential('old', oldest),
    '/consumer_groups/g': { id: 'g', plugins: {}, ...TIMES },
    '/global_rules/1': { id: '1', plugins: { 'request-id': {} }, ...TIMES },
    '/plugin_metadata/limit-count': { id: 'limit-count' },
    '/ssls/1': {
      id: '1',
      type: 'server',
      status: 1,
      snis: ['etcd.test'],
      cert,
      key: encrypt(key, oldest),
      ...TIMES,
    },
    '/protos/1': { id: '1', content: 'syntax = "proto3";\nmessage A { string b = 1; }', ...TIMES },
    '/secrets/vault/1': {
      id: 'vault/1',
      uri: 'http://127.0.0.1:8200',
      prefix: 'kv/apisix',
      token: 'a-token',
      ...TIMES,
    },
  };
}

/** By path, each once; what refers comes after what it refers to. */
async function everyKind(): Promise<Record<string, object>> {
  const cert = await readFile(certificates.serverCertFile, 'utf8');
  const key = await readFile(certificates.serverKeyFile, 'utf8');
  const client = { client_cert: cert, client_key: key };
  const nodes = [{ host: '127.0.0.1', port: 80, weight: 1 }];
  return {
    '/upstreams/1': { type: 'roundrobin', nodes },
    '/upstreams/mtls': { scheme: 'https', nodes, tls: client },
    '/services/1': { upstream_id: '1', plugins: {} },
    '/services/1/graphql_cost_decorations/d': { field_path: 'query.users', add_value: 2 },
    '/plugin_configs/1': { plugins: { 'key-auth': {} } },
    '/consumer_groups/g': { plugins: {} },
    '/consumers/jack': { username: 'jack', group_id: 'g', labels: { a: 'b' } },
    '/consumers/jack/credentials/c1': { plugins: { 'key-auth': { key: 'a-secret' } } },
    '/global_rules/1': { plugins: { 'request-id': {} } },
    '/plugin_metadata/file-logger': { log_format: { host: '$host' } },
    '/ssls/1': { snis: ['etcd.test'], cert, key },
    '/protos/1': { content: 'syntax = "proto3"; message A {}' },
    '/secrets/vault/1': { uri: 'http://127.0.0.1:8200', prefix: 'kv', token: 't' },
    '/routes/1': {
      uri: '/a/b',
      service_id: '1',
      plugin_config_id: '1',
      vars: [['arg_a', '==', '1']],
    },
  };
}

/** APISIX puts the id into all values but a consumer's; a decoration has its service's, too. */
function idOf(key: string): object {
  const parts = key.split('/').slice(1);
  if (parts[0] === 'consumers' && parts.length === 2) return {};
  if (parts[0] === 'secrets') return { id: parts.slice(1).join('/') };
  const service = parts[2] === 'graphql_cost_decorations' ? { service_id: parts[1] } : {};
  return { id: parts.at(-1), ...service };
}

/** What is below the prefix, without the directories of the fixture. */
async function readStored(): Promise<Record<string, unknown>> {
  const text = await etcd.ctl(['get', '--prefix', '/', '-w', 'json']);
  const { kvs } = JSON.parse(text) as { kvs: { key: string; value: string }[] };
  const plain = (base64: string) => Buffer.from(base64, 'base64').toString();
  const entries = kvs.map(({ key, value }) => [plain(key), plain(value)] as const);
  for (const [key] of entries) expect(key).toMatch(/^\/apisix\//);
  return Object.fromEntries(
    entries
      .filter(([key]) => !key.endsWith('/') && !key.includes('/data_plane/'))
      .map(([key, value]) => [key.slice('/apisix'.length), JSON.parse(value) as unknown]),
  );
}

function at(from: Record<string, unknown>, ...names: string[]): Record<string, unknown> {
  return names.reduce((value, name) => value[name] as Record<string, unknown>, from);
}

interface Reply {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into it as they like
  readonly body: any;
}

async function admin(method: string, pathname: string, body?: unknown): Promise<Reply> {
  const response = await fetch(`${adminUrl}/apisix/admin${pathname}`, {
    method,
    headers: { 'X-API-KEY': ADMIN_KEY },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
}

async function until<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function startAdmin(): Promise<void> {
  const service = await start('admin-api', 'control_plane', '');
  adminUrl = (await service.line(/Admin API on (http:\S+?)(?:\/apisix\/admin)?$/m))[1] ?? '';
}

async function startDataPlane(): Promise<{ http: string; https: string }> {
  const listen = `[{ ip: 127.0.0.1, port: 0 }]`;
  const service = await start(
    'data-plane',
    'data_plane',
    `node_listen: ${listen}\n  ssl: { enable: true, listen: ${listen} }\n  enable_control: false`,
  );
  const http = (await service.line(/data plane on (http:\S+)/))[1] ?? '';
  const https = (await service.line(/data plane on (https:\S+)/))[1] ?? '';
  return { http, https };
}

async function start(name: string, role: string, apisix: string): Promise<ServiceProcess> {
  const config = path.join(folder, `${name}.yaml`);
  await writeFile(
    config,
    `
apisix:
  data_encryption: { enable_encrypt_fields: true, keyring: [${KEYRING.join(', ')}] }
  ${apisix}
deployment:
  role: ${role}
  role_${role}: { config_provider: etcd }
  admin:
    admin_listen: { ip: 127.0.0.1, port: 0 }
    admin_key: [{ name: admin, key: ${ADMIN_KEY}, role: admin }]
  etcd: { host: ["${etcd.endpoint}"], timeout: 5 }
nginx_config: { worker_processes: 1 }
plugin_attr: { prometheus: { enable_export_server: false } }
polygate: { run_dir: ${folder}, data_dir: ${folder} }
`,
  );
  const service = startService(`apps/${name}/src/main.ts`, ['--config', config]);
  services.push(service);
  return service;
}

/** The status of an answer by TLS, checked against the authority of the test. */
async function getByTls(origin: string, servername: string, pathname: string): Promise<number> {
  const ca = await readFile(certificates.caFile);
  const { hostname, port } = new URL(origin);
  const headers = { Host: servername };
  return new Promise((resolve, reject) => {
    request({ host: hostname, port, path: pathname, servername, headers, ca }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}
