import { MemoryCache, memoryNode, memorySettings, mountPlugin, validConf } from '@polygate/testing';
import type { MountedPlugin, PluginRequest, PluginRun } from '@polygate/testing';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import plugin from './graphql-proxy-cache.ts';

const MEMORY = { cache_strategy: 'memory', cache_zone: 'memory_cache' };
const conf = (raw: object = {}) => validConf(plugin.definition, { ...MEMORY, ...raw });

let cache: MemoryCache;
beforeEach(() => {
  cache = new MemoryCache(() => Date.now());
});

function mount(raw: object = {}): MountedPlugin {
  return mountPlugin(plugin, conf(raw), { sharedCache: () => cache });
}

const post = (query: unknown, more: object = {}): PluginRequest => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ query, ...more }),
});
const said = ({ headers }: PluginRun): string | undefined => headers.get('Apisix-Cache-Status');

describe('graphql-proxy-cache', () => {
  test('keeps the answer to a query, by all of the request', async () => {
    const mounted = mount();
    const first = await mounted.request({ ...post('{ a }'), upstream: { body: 'answer' } });
    expect([said(first), first.text]).toEqual(['MISS', 'answer']);
    const again = await mounted.request(post('{ a }'));
    expect([said(again), again.text]).toEqual(['HIT', 'answer']);
    expect(again.headers.get('APISIX-Cache-Key')).toMatch(/^[0-9a-f]{32}$/);
    expect(again.headers.get('APISIX-Cache-Key')).toBe(first.headers.get('APISIX-Cache-Key'));
    expect(said(await mounted.request(post('{ a }', { variables: { n: 1 } })))).toBe('MISS');
    const target = '/graphql?query=%7Ba%7D';
    expect(said(await mounted.request({ target }))).toBe('MISS');
    expect(said(await mounted.request({ target }))).toBe('HIT');
  });

  test('keeps hosts, routes and consumers apart', async () => {
    const mounted = mount();
    const requests: readonly PluginRequest[] = [
      {},
      { headers: { 'Content-Type': 'application/json', Host: 'other.test' } },
      { route: { id: '2' } },
      { vars: { remote_user: 'jack' } },
    ];
    for (const one of requests) {
      expect(said(await mounted.request({ ...post('{ a }'), ...one }))).toBe('MISS');
    }
    const together = mount({ consumer_isolation: false });
    await together.request(post('{ a }'));
    expect(said(await together.request({ ...post('{ a }'), ...requests[3] }))).toBe('HIT');
  });

  test('has nothing to do with mutations', async () => {
    const mounted = mount();
    for (let i = 0; i < 2; i++) {
      const run = await mounted.request(post('query { a } mutation { b }'));
      expect([said(run), run.text]).toEqual(['BYPASS', 'hello world\n']);
    }
  });

  test.each([
    ['HEAD', { method: 'HEAD' }, 405, undefined],
    ['no arguments', {}, 400, "Invalid graphql request: can't get graphql request body"],
    [
      'arguments that are too long',
      { target: `/?query=${'a'.repeat(100)}` },
      400,
      "Invalid graphql request: can't get graphql request body",
    ],
    ['no query', { target: '/?test=1' }, 400, 'invalid graphql request, args[query] is nil'],
    ['no body', { method: 'POST' }, 400, "Invalid graphql request: can't get graphql request body"],
    ['a null', post(null), 400, 'invalid graphql request, json body[query] is nil'],
    ['no GraphQL', post('test {'), 400, 'Invalid graphql request: failed to parse graphql query'],
    ['nothing', post(''), 400, 'Invalid graphql request: empty graphql query'],
  ])('refuses %s', async (_what, request, status, message) => {
    const settings = memorySettings({ graphqlBytesMax: 100 });
    const options = { sharedCache: () => cache, settings };
    const run = await mountPlugin(plugin, conf(), options).request(request);
    const body = message === undefined ? undefined : { message };
    expect(run.reply).toEqual({ status, ...(body && { body }) });
  });

  test.each([
    [{ cache_zone: 'nowhere' }, 'cache_zone nowhere not found'],
    [{ cache_strategy: 'disk' }, 'invalid or empty cache_zone for cache_strategy: disk'],
    [{ cache_strategy: 'test' }, 'matches none of the enum values'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});

describe('PURGE of graphql-proxy-cache', () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

  async function purge(path: string, settings = memorySettings(), confs: object = {}) {
    const [api] =
      plugin.publicApis?.(
        {},
        {
          metadata: () => ({}),
          settings,
          node: memoryNode(),
          confOf: (id) => (confs as Record<string, Record<string, unknown>>)[id],
          sharedCache: () => cache,
        },
      ) ?? [];
    const run = await mount().request({ target: `/apisix/plugin/graphql-proxy-cache/${path}` });
    return (await api?.handle(run.ctx))?.status;
  }

  test('takes an answer out of the memory', async () => {
    const mounted = mount();
    const run = await mounted.request(post('{ a }'));
    const key = run.headers.get('APISIX-Cache-Key');
    expect(await purge(`memory/1/${key}`, undefined, { 1: conf() })).toBe(200);
    expect(said(await mounted.request(post('{ a }')))).toBe('MISS');
  });

  test('takes an answer off the disk', async () => {
    const path = await mkdtemp(join(tmpdir(), 'graphql-cache-'));
    folders.push(path);
    const disk = { path, levels: [1, 2], bytesMax: 1_000_000 };
    const zones = [{ name: 'on_disk', memoryBytes: 1_000_000, disk }];
    const settings = memorySettings({ proxyCache: { ttlMs: 10_000, zones } });
    const raw = { cache_strategy: 'disk', cache_zone: 'on_disk' };
    const name = createHash('md5').update('abc').digest('hex');
    const folder = join(path, name.slice(-1), name.slice(-3, -1));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), 'an answer');
    expect(await purge('disk/1/abc', settings, { 1: raw })).toBe(200);
    expect(await purge('disk/1/abc', settings, { 1: raw })).toBe(404);
  });

  test.each([
    ['odd/1/abc', 400],
    ['memory/1/', 400],
    ['memory', 400],
    ['memory/2/abc', 404],
    ['disk/1/abc', 400],
  ])('answers to %s with %i', async (path, status) => {
    expect(await purge(path, undefined, { 1: conf() })).toBe(status);
  });
});
