import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createTestCertificates, type TestCertificates } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

// API7's declarative command line against the whole product: what it writes it reads back the same.
// No registry has it: POLYGATE_ADC names the executable of a build of its own.

const KEY = 'key-of-this-test-only';
/** Each runs ADC some times. */
const TEST_MS = 120_000;
const run = promisify(execFile);

let folder: string;
let service: ServiceProcess;
let server: string;
let certificates: TestCertificates;

describe.skipIf(!hasAdc())('ADC', { timeout: TEST_MS }, () => {
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'polygate-adc-'));
    certificates = await createTestCertificates(folder);
    await writeFile(path.join(folder, 'config.yaml'), CONFIG);
    service = startService('tools/start.ts', ['--config', path.join(folder, 'config.yaml')]);
    const admin = (await service.line(/Admin API on (http:\S+)/))[1] ?? '';
    server = new URL(admin).origin;
  });
  afterAll(async () => {
    await service.stop('SIGKILL');
    await rm(folder, { recursive: true });
  });

  test('syncs an object of every kind, and finds no difference after', async () => {
    const file = await write('all.json', await everyKind());
    await adc('validate', '-f', file);
    const { stdout } = await adc('sync', '-f', file);
    expect(stdout).not.toMatch(/error|fail/i);
    for (const [kind, count] of Object.entries(STORED)) {
      const { total } = (await admin(`/${kind}`)) as { total: number };
      expect([kind, total]).toEqual([kind, count]);
    }
    expect(await differences(file)).toEqual([]);
  });

  test('changes only what was changed', async () => {
    const changed = await everyKind();
    const [service] = changed.services;
    expect(service?.routes?.[0]).toBeDefined();
    if (service?.routes?.[0] !== undefined) service.routes[0].description = 'another';
    const file = await write('changed.json', changed);
    expect(await differences(file)).toEqual(['update route r1']);
    await adc('sync', '-f', file);
    expect(await differences(file)).toEqual([]);
    const { list } = (await admin('/routes?name=r1')) as { list: { value: object }[] };
    expect(list[0]?.value).toMatchObject({ desc: 'another', priority: 3 });
  });

  test('dumps everything, but for private keys', async () => {
    const file = path.join(folder, 'dump.yaml');
    await adc('dump', '-o', file).catch(passOverMissingKeys);
    const dump = await readFile(file, 'utf8');
    for (const name of ['svc1', 'stream1', 'canary', 'r1', 's1', 'jack', 'k1', 'jacks-key']) {
      expect(dump).toContain(name);
    }
    for (const name of ['request-id', 'file-logger', 'BEGIN CERTIFICATE', 'etcd.test']) {
      expect(dump).toContain(name);
    }
    expect(dump).not.toContain('PRIVATE KEY');
  });

  test('takes everything away when nothing is wanted', async () => {
    // ADC deletes a consumer before its credentials, which are gone by then: 404, also from APISIX
    const consumers = (await everyKind()).consumers.map((one) => ({ ...one, credentials: [] }));
    await adc('sync', '-f', await write('without-credentials.json', { consumers }));
    await adc('sync', '-f', await write('empty.json', {}));
    for (const kind of Object.keys(STORED)) {
      const { total } = (await admin(`/${kind}`)) as { total: number };
      expect([kind, total]).toEqual([kind, 0]);
    }
  });
});

/** What ADC makes of everyKind(): a service's upstream is an object of its own. */
const STORED = {
  routes: 2,
  services: 2,
  upstreams: 3,
  consumers: 1,
  ssls: 1,
  global_rules: 2,
  plugin_metadata: 1,
  stream_routes: 1,
} as const;

async function everyKind() {
  const [certificate, key] = await Promise.all([
    readFile(certificates.serverCertFile, 'utf8'),
    readFile(certificates.serverKeyFile, 'utf8'),
  ]);
  const node = (port: number) => ({ host: '127.0.0.1', port, weight: 1, priority: 0 });
  const limit = { count: 5, time_window: 60, rejected_code: 503, key: 'remote_addr' };
  return {
    services: [
      {
        name: 'svc1',
        description: 'a service',
        labels: { team: 'a' },
        hosts: ['svc1.example.com'],
        upstream: {
          type: 'roundrobin',
          scheme: 'http',
          pass_host: 'pass',
          retries: 2,
          timeout: { connect: 5, send: 6, read: 7 },
          keepalive_pool: { size: 100, idle_timeout: 30, requests: 500 },
          nodes: [node(1980), { ...node(1981), weight: 2, priority: 1 }],
          checks: {
            active: {
              http_path: '/status',
              healthy: { interval: 2, successes: 1 },
              unhealthy: { interval: 1, http_failures: 2 },
            },
          },
        },
        upstreams: [{ name: 'canary', type: 'roundrobin', nodes: [node(1982)] }],
        plugins: { 'key-auth': {}, 'limit-count': { ...limit, policy: 'local' } },
        routes: [
          {
            name: 'r1',
            description: 'a route',
            uris: ['/get', '/post*'],
            methods: ['GET', 'POST'],
            priority: 3,
            enable_websocket: true,
            labels: { a: 'b' },
            vars: [['arg_x', '==', '1']],
            remote_addrs: ['127.0.0.1'],
            timeout: { connect: 1, send: 2, read: 3 },
            plugins: { 'proxy-rewrite': { uri: '/new', headers: { set: { 'X-A': 'b' } } } },
          },
          { name: 'r2', uris: ['/other'] },
        ],
      },
      {
        name: 'stream1',
        upstream: { type: 'roundrobin', scheme: 'tcp', nodes: [node(6379)] },
        stream_routes: [{ name: 's1', server_port: 9100, remote_addr: '127.0.0.1' }],
      },
    ],
    consumers: [
      {
        username: 'jack',
        description: 'a person',
        labels: { department: 'x' },
        plugins: { 'limit-count': limit },
        credentials: [{ name: 'k1', type: 'key-auth', config: { key: 'jacks-key' } }],
      },
    ],
    global_rules: { 'request-id': {}, prometheus: {} },
    plugin_metadata: { 'file-logger': { log_format: { host: '$host' } } },
    ssls: [{ snis: ['etcd.test'], certificates: [{ certificate, key }] }],
  };
}

/** What ADC would do, as `update route r1`. */
async function differences(file: string): Promise<string[]> {
  const { stdout } = await adc('diff', '-f', file);
  if (!stdout.includes('Write detail diff')) return [];
  const text = await readFile(path.join(folder, 'diff.yaml'), 'utf8');
  await rm(path.join(folder, 'diff.yaml'));
  const found = text.matchAll(
    /^- resourceType: (\S+)\n {2}type: (\S+)\n {2}resourceId: .*\n {2}resourceName: (\S+)$/gm,
  );
  // ADC itself reads the labels of a stream route back as a list, also from APISIX
  return Array.from(found, ([, kind, type, name]) => `${type} ${kind} ${name}`).filter(
    (one) => one !== 'update stream_route s1',
  );
}

async function write(name: string, content: object): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, JSON.stringify(content));
  return file;
}

function adc(...args: string[]): Promise<{ stdout: string }> {
  const command = process.env['POLYGATE_ADC'] ?? '';
  const access = ['--server', server, '--token', KEY];
  return run(command, [...args, ...access], { cwd: folder, timeout: 60_000 });
}

/** It writes the dump, and then finds that it could not be synced as it is. */
function passOverMissingKeys(error: unknown): void {
  if (!String((error as { stdout?: string }).stdout).includes('Write to dump file')) throw error;
}

async function admin(pathname: string): Promise<unknown> {
  const headers = { 'X-API-KEY': KEY };
  const response = await fetch(`${server}/apisix/admin${pathname}`, { headers });
  expect(response.status).toBe(200);
  return response.json();
}

/** Also in CI it is skipped with a line on stderr where nobody has put it. */
function hasAdc(): boolean {
  const { POLYGATE_ADC: command } = process.env;
  const missing =
    command === undefined
      ? 'POLYGATE_ADC names no executable of ADC'
      : spawnSync(command, ['--version']).status !== 0
        ? `POLYGATE_ADC is no executable of ADC: ${command}`
        : undefined;
  if (missing === undefined) return true;
  process.stderr.write(`SKIPPED: ${missing}\n`);
  return false;
}

const CONFIG = `
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  enable_control: false
  proxy_mode: http&stream
  stream_proxy: { tcp: [9100] }
  status: { ip: 127.0.0.1, port: 0 }
deployment:
  admin:
    admin_listen: { ip: 127.0.0.1, port: 0 }
    admin_key: [{ name: admin, key: ${KEY}, role: admin }]
nginx_config: { worker_processes: 1 }
plugin_attr: { prometheus: { enable_export_server: false } }
`;
