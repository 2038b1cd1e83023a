import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { lineFiles } from '@polygate/plugin-sdk';
import type { PluginEnvironment } from '@polygate/plugin-sdk';
import { mountPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { afterAll, expect, test, vi } from 'vitest';
import plugin from './file-logger.ts';

const folder = mkdtempSync(join(tmpdir(), 'file-logger-'));
afterAll(async () => {
  await lineFiles.close();
  rmSync(folder, { recursive: true });
});

let files = 0;
const newPath = (): string => join(folder, `${files++}.log`);
const conf = (raw: object) => validConf(plugin.definition, raw);

/** What is in the file as soon as there are so many lines. */
async function linesOf(path: string, count = 1): Promise<Record<string, unknown>[]> {
  const read = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);
  await vi.waitFor(() => expect(read().length).toBeGreaterThanOrEqual(count), 10_000);
  return read().map((line) => JSON.parse(line));
}

interface Entry {
  readonly request: { readonly headers: object; readonly body?: string };
  readonly response: { readonly body?: string };
  readonly service_id?: string;
}

/** The entry of one request. */
async function logged(
  raw: object,
  request: PluginRequest = {},
  env: Partial<PluginEnvironment> = {},
): Promise<Entry> {
  const path = newPath();
  const mounted = mountPlugin(plugin, conf({ path, ...raw }), env);
  await mounted.request(request);
  const [entry] = await linesOf(path);
  mounted.dispose();
  return entry as unknown as Entry;
}

test('a request is logged with everything that is known of it', async () => {
  const entry = await logged(
    {},
    {
      target: '/hello?a=1&a=2&b',
      headers: { Host: 'x.test', 'X-Two': ['1', '2'] },
      bytesReceived: 90,
      upstream: { headers: { 'Content-Type': 'text/plain' }, responseTimeMs: 3 },
    },
  );
  expect(entry).toMatchObject({
    request: {
      url: 'http://x.test:9080/hello?a=1&a=2&b',
      uri: '/hello?a=1&a=2&b',
      method: 'GET',
      headers: { host: 'x.test', 'x-two': ['1', '2'] },
      querystring: { a: ['1', '2'], b: true },
      size: 90,
    },
    response: { status: 200, headers: { 'content-type': 'text/plain' }, size: 12 },
    server: { hostname: expect.any(String), version: expect.any(String) },
    upstream: '127.0.0.1:1980',
    client_ip: '127.0.0.1',
    route_id: '1',
    service_id: '',
    upstream_latency: 3,
    start_time: expect.any(Number),
    latency: expect.any(Number),
    apisix_latency: expect.any(Number),
  });
  expect(entry).not.toHaveProperty('consumer');
  expect(entry.request).not.toHaveProperty('body');
  expect(entry.response).not.toHaveProperty('body');
});

test('without a route the host stands for the service', async () => {
  const entry = await logged({}, { route: null, headers: { Host: 'x.test' }, upstream: null });
  expect(entry.service_id).toBe('x.test');
  expect(entry).not.toHaveProperty('route_id');
});

test('a log_format replaces the entry, but for route and service', async () => {
  const log_format = {
    host: '$host',
    missing: '$arg_none',
    code: '$status',
    fixed: 7,
    route_id: 'mine',
    deep: { method: '$request_method', list: ['$arg_a', '$arg_none', true] },
  };
  const request = { target: '/?a=1', headers: { Host: 'h' }, route: { serviceId: 's' } };
  expect(await logged({ log_format }, request)).toEqual({
    host: 'h',
    code: 200,
    fixed: 7,
    deep: { method: 'GET', list: ['1', null, true] },
    route_id: '1',
    service_id: 's',
  });
});

test('a format that is nested too deeply is cut off, with a warning', async () => {
  const path = newPath();
  const log_format = { a: { b: { c: { d: { e: { f: '$host' } } } } } };
  const mounted = mountPlugin(plugin, conf({ path, log_format }));
  expect(mounted.log).toEqual(['warn: log_format nesting exceeds max depth 5, truncating']);
  await mounted.request();
  expect(await linesOf(path)).toEqual([{ route_id: '1', a: { b: { c: { d: { e: {} } } } } }]);
  mounted.dispose();
});

test('path and format of the metadata serve a conf without its own', async () => {
  const path = newPath();
  const metadata = { path, log_format: { m: '$request_method' } };
  const mounted = mountPlugin(plugin, conf({}), { metadata });
  await mounted.request();
  expect(await linesOf(path)).toEqual([{ route_id: '1', m: 'GET' }]);
  mounted.dispose();
  const own = await logged({ log_format: { o: 'own' } }, {}, { metadata });
  expect(own).toEqual({ route_id: '1', o: 'own' });
});

test('log_format_extra adds to the full entry and takes nothing away', async () => {
  const log_format_extra = { request: 'x', consumer: 'nobody', method: '$request_method' };
  const metadata = { log_format_extra: { meta: 'y' } };
  const entry = await logged({ log_format_extra }, {}, { metadata });
  expect(entry).toMatchObject({ request: { method: 'GET' }, consumer: 'nobody', method: 'GET' });
  expect(entry).not.toHaveProperty('meta');
  expect(await logged({}, {}, { metadata })).toHaveProperty('meta', 'y');
});

test('only what match holds for is logged', async () => {
  const path = newPath();
  const match = [[['arg_name', '==', 'jack']], [['arg_name', '==', 'rose']]];
  const mounted = mountPlugin(plugin, conf({ path, match, log_format: { n: '$arg_name' } }));
  for (const name of ['tony', 'rose', 'jack']) {
    await mounted.request({ target: `/?name=${name}` });
  }
  expect((await linesOf(path, 2)).map(({ n }) => n)).toEqual(['rose', 'jack']);
  mounted.dispose();
});

test('bodies are logged when asked for, cut off at their limits', async () => {
  const raw = {
    include_req_body: true,
    include_resp_body: true,
    max_req_body_bytes: 4,
    max_resp_body_bytes: 7,
  };
  const request = { method: 'POST', body: 'body-data', upstream: { body: ['hello', ' world'] } };
  const entry = await logged(raw, request);
  expect(entry.request.body).toBe('body');
  expect(entry.response.body).toBe('hello w');
  const custom = await logged(
    { ...raw, log_format: { q: '$request_body', p: '$resp_body' } },
    request,
  );
  expect(custom).toMatchObject({ q: 'body', p: 'hello w' });
});

test('bodies are only logged where their expression holds', async () => {
  const raw = {
    include_req_body: true,
    include_req_body_expr: [['arg_body', '==', 'yes']],
    include_resp_body: true,
    include_resp_body_expr: [['arg_body', '==', 'yes']],
  };
  const of = (target: string) => logged(raw, { target, method: 'POST', body: 'b' });
  const wanted = await of('/?body=yes');
  expect([wanted.request.body, wanted.response.body]).toEqual(['b', 'hello world\n']);
  const unwanted = await of('/?body=no');
  expect(unwanted.request).not.toHaveProperty('body');
  expect(unwanted.response).not.toHaveProperty('body');
});

test('a compressed body is logged in clear, one that is damaged as it is', async () => {
  const raw = { include_resp_body: true };
  const headers = { 'Content-Encoding': 'gzip' };
  const gzipped = gzipSync('hello');
  const clear = await logged(raw, { upstream: { headers, body: gzipped } });
  expect(clear.response.body).toBe('hello');
  const damaged = await logged(raw, { upstream: { headers, body: 'not gzip' } });
  expect(damaged.response.body).toBe('not gzip');
});

test('what a client sends cannot break a line, and UTF-8 stays what it was', async () => {
  const value = Buffer.from('ä"\\\t\x01é').toString('latin1');
  const entry = await logged({}, { headers: { 'X-A': value, 'X-B': '\xff' }, body: '\ud800' });
  expect(entry.request.headers).toMatchObject({ 'x-a': 'ä"\\\t\x01é', 'x-b': 'ÿ' });
});

test('confs with one path share its file, which closes with the last of them', async () => {
  const path = newPath();
  const raw = conf({ path, log_format: { n: '$arg_n' } });
  const [one, two] = [mountPlugin(plugin, raw), mountPlugin(plugin, raw)];
  await one.request({ target: '/?n=1' });
  one.dispose();
  await two.request({ target: '/?n=2' });
  two.dispose();
  expect((await linesOf(path, 2)).map(({ n }) => n)).toEqual(['1', '2']);
});

test('a file that was moved away is written to until it is opened anew', async () => {
  const path = newPath();
  const mounted = mountPlugin(plugin, conf({ path, log_format: { n: '$arg_n' } }));
  await mounted.request({ target: '/?n=1' });
  await linesOf(path);
  renameSync(path, `${path}.1`);
  await mounted.request({ target: '/?n=2' });
  expect(await linesOf(`${path}.1`, 2)).toHaveLength(2);
  lineFiles.reopen();
  await mounted.request({ target: '/?n=3' });
  expect((await linesOf(path)).map(({ n }) => n)).toEqual(['3']);
  mounted.dispose();
});

test('a file that cannot be opened costs a line in the error log, not the request', async () => {
  const path = join(folder, 'missing/file.log');
  const mounted = mountPlugin(plugin, conf({ path }));
  expect((await mounted.request()).status).toBe(200);
  const reason = `failed to open file: ${path}, error info: ${path}: No such file or directory`;
  await vi.waitFor(() => expect(mounted.log).toEqual([`error: ${reason}`]), 10_000);
  mounted.dispose();
});

test('a conf without a path anywhere says so', () => {
  const { log } = mountPlugin(plugin, conf({}));
  expect(log).toEqual([
    'error: property "path" is not set in either the plugin conf or the metadata',
  ]);
});

test('a conf that looks at no bodies has no part in the phases of bodies', () => {
  const env = { metadata: {}, log: console } as unknown as PluginEnvironment;
  const phases = (raw: object) => {
    const prepared = plugin.prepare!(conf({ path: newPath(), ...raw }), env);
    const runs = (['access', 'bodyFilter', 'log'] as const).filter((phase) =>
      plugin.runsIn!(phase, prepared),
    );
    plugin.dispose!(prepared);
    return runs;
  };
  expect(phases({})).toEqual(['log']);
  expect(phases({ include_req_body: true })).toEqual(['access', 'log']);
  expect(phases({ include_resp_body: true })).toEqual(['bodyFilter', 'log']);
});

test.each([
  [{ path: 1 }, 'property "path" validation failed: wrong type: expected string, got number'],
  [{ match: [[['a', 'nope', 1]]] }, "failed to validate the 'match' expression: invalid operator"],
  [{ max_req_body_bytes: 0 }, 'property "max_req_body_bytes" validation failed'],
  [{ include_req_body_expr: [['a']] }, "failed to validate the 'include_req_body_expr' expression"],
])('refuses %j', (raw, message) => {
  expect(() => conf(raw)).toThrow(message);
});
