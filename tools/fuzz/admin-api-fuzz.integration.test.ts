import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTestCertificates } from '@polygate/testing';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startService, type ServiceProcess } from '../service-process.ts';
import { type FuzzRequest, requestArbitrary } from './request-arbitrary.ts';
import type { Schema } from './schema-arbitrary.ts';

// The whole product on its embedded store, and requests made from its own OpenAPI document.
// POLYGATE_FUZZ_SECONDS makes it look longer and at something new, POLYGATE_FUZZ_SEED at the same again.

const KEY = 'key-of-this-test-only';
const { POLYGATE_FUZZ_SECONDS: LONGER, POLYGATE_FUZZ_SEED: AGAIN } = process.env;
const SECONDS = Number(LONGER ?? 5);
const SEED = Number(AGAIN ?? (LONGER === undefined ? 1 : Date.now() % 2 ** 31));
const REQUESTS_PER_RUN = 40;

let folder: string;
let service: ServiceProcess;
let admin: string;
let document: Schema;
let samples: Readonly<Record<string, readonly unknown[]>>;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'polygate-fuzz-'));
  await writeFile(path.join(folder, 'config.yaml'), CONFIG);
  const certificates = await createTestCertificates(folder);
  samples = await makeSamples(certificates.serverCertFile, certificates.serverKeyFile);
  service = startService('tools/start.ts', ['--config', path.join(folder, 'config.yaml')]);
  admin = (await service.line(/Admin API on (http:\S+)/))[1] ?? '';
  document = (await call('GET', '/polygate/openapi.json')).body as Schema;
});
afterAll(async () => {
  await service.stop('SIGKILL');
  await rm(folder, { recursive: true });
});

test(
  `no request of the OpenAPI document fails the server or is stored and then rejected (seed ${SEED})`,
  async () => {
    const statuses = new Map<number, number>();
    const request = requestArbitrary({ document, samples });
    const requests = fc.array(request, { minLength: 10, maxLength: REQUESTS_PER_RUN, size: 'max' });
    const property = fc.asyncProperty(requests, async (list) => {
      await clear();
      for (const one of list) {
        const answer = await send(one);
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        expectAnswer(one, answer);
      }
      expect((await rejected()).filter(({ key }) => !isReferred(list, key))).toEqual([]);
    });
    await fc.assert(property, {
      seed: SEED,
      numRuns: 1_000_000,
      interruptAfterTimeLimit: SECONDS * 1000,
      markInterruptAsFailure: false,
      // each step of shrinking sends up to 40 requests
      endOnFailure: SECONDS <= 5,
    });
    const counts = [...statuses].toSorted(([a], [b]) => a - b);
    process.stderr.write(`fuzz: ${counts.map(([status, n]) => `${n} × ${status}`).join(', ')}\n`);
    // it reached what it should reach: objects were made, changed, found, refused
    const sent = counts.reduce((sum, [, n]) => sum + n, 0);
    expect(sent).toBeGreaterThan(0);
    // a machine that is too busy for this many shows nothing
    const expected = sent < 150 ? [] : [200, 201, 400, 404];
    for (const status of expected) expect(statuses.get(status)).toBeGreaterThan(0);
    expect(service.output()).not.toMatch(/internal error|uncaught|unhandled/i);
  },
  SECONDS * 1000 * 4 + 60_000,
);

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
  readonly text: string;
}

function expectAnswer(request: FuzzRequest, { status, type, body, text }: Answer): void {
  const said = `${JSON.stringify(request)} → ${status} ${text.slice(0, 500)}`;
  expect(status, said).toBeLessThan(500);
  if (status < 400) return;
  if (type.startsWith('text/plain')) return;
  const { error_msg, message } = body as { error_msg?: unknown; message?: unknown };
  expect(typeof (error_msg ?? message), said).toBe('string');
}

async function send({ method, target, headers, body }: FuzzRequest): Promise<Answer> {
  return call(method, target, body, headers);
}

async function call(
  method: string,
  target: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(admin + target, {
    method,
    headers: { ...headers, 'X-API-KEY': KEY },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  const isJson = type.includes('json') && text !== '';
  return { status: response.status, type, text, body: isJson ? JSON.parse(text) : undefined };
}

/** What the data plane does not serve of what is stored, once it has seen all of it. */
async function rejected(): Promise<DataPlane['rejected']> {
  const marker = await fetch(`${admin}/protos/marker`, {
    method: 'PUT',
    headers: { 'X-API-KEY': KEY },
    body: JSON.stringify({ content: 'syntax = "proto3"; message Marker {}' }),
  });
  const revision = Number(marker.headers.get('x-polygate-revision'));
  for (;;) {
    const { body } = await call('GET', '/polygate/data-planes');
    const [plane] = (body as { list: DataPlane[] }).list;
    if (plane !== undefined && (plane.applied_revision ?? 0) >= revision) return plane.rejected;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Only the data plane can know whether what `$env://…` and `$secret://…` stand for fits. */
function isReferred(requests: readonly FuzzRequest[], key: string): boolean {
  const [, kind = ''] = key.split('/');
  return requests.some(
    ({ target, body = '' }) =>
      (target.startsWith(`/${kind}`) || target.startsWith('/polygate/')) &&
      /\$(?:env|secret):\/\//i.test(body),
  );
}

interface DataPlane {
  readonly applied_revision: number | null;
  readonly rejected: readonly { readonly key: string; readonly reason: string }[];
}

const KINDS = [
  'routes',
  'stream_routes',
  'services',
  'consumers',
  'upstreams',
  'consumer_groups',
  'plugin_configs',
  'global_rules',
  'plugin_metadata',
  'ssls',
  'secrets',
  'protos',
];

/** So that each run begins with nothing, and can be repeated. */
async function clear(): Promise<void> {
  for (const kind of KINDS) {
    const { list = [] } = (await call('GET', `/${kind}`)).body as { list?: { key: string }[] };
    for (const { key } of list) {
      await call('DELETE', `${key.slice(key.indexOf(`/${kind}/`))}?force=true`);
    }
  }
}

async function makeSamples(certFile: string, keyFile: string) {
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
  const ids = ['1', '2', 'a', 1];
  const nodes = [{ '127.0.0.1:80': 1 }, [{ host: '127.0.0.1', port: 80, weight: 1 }]];
  return {
    id: ids,
    username: ['1', '2', 'a'],
    upstream_id: ids,
    service_id: ids,
    plugin_config_id: ids,
    group_id: ids,
    cert: [cert],
    key: [key, 'a-key'],
    nodes,
    uri: ['/', '/a', '/a/*', '/:name'],
    vars: [[['arg_a', '==', '1']], [['http_x', '~~', '^a+$'], 'OR']],
    content: ['syntax = "proto3"; message A { string b = 1; }'],
    plugin_name: ['key-auth', 'file-logger', 'limit-count', 'prometheus'],
    sub_path: ['plugins', 'desc', 'upstream', 'labels', 'uri', 'methods'],
    path: ['/routes/1', '/services/1', '/upstreams/a', '/consumers/a', '/global_rules/1'],
    name: ['route', 'service', 'name'],
    resource: ['routes', 'services', 'secrets'],
    field_path: ['query.a'],
    type: ['roundrobin', 'server'],
  };
}

const CONFIG = `
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  enable_control: false
  proxy_mode: http&stream
  stream_proxy: { tcp: [9100] }
deployment:
  admin:
    admin_listen: { ip: 127.0.0.1, port: 0 }
    admin_key: [{ name: admin, key: ${KEY}, role: admin }]
nginx_config: { worker_processes: 1, error_log_level: error }
plugin_attr: { prometheus: { enable_export_server: false } }
polygate: { admin: { failed_keys_max: 0 } }
`;
