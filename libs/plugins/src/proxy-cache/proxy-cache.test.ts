import { MemoryCache, mountPlugin, validConf } from '@polygate/testing';
import type { MountedPlugin, PluginRequest, PluginRun } from '@polygate/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import plugin from './proxy-cache.ts';

const MEMORY = { cache_strategy: 'memory', cache_zone: 'memory_cache' };

let cache: MemoryCache;
let nowMs: number;
beforeEach(() => {
  nowMs = 1_000_000;
  cache = new MemoryCache(() => nowMs);
});

function mount(raw: object): MountedPlugin {
  const conf = validConf(plugin.definition, { ...MEMORY, ...raw });
  return mountPlugin(plugin, conf, { sharedCache: () => cache });
}

const said = ({ headers }: PluginRun): string | undefined => headers.get('Apisix-Cache-Status');
const KEY = { cache_key: ['$host', '$uri'] };

describe('the conf of proxy-cache', () => {
  test.each([
    [{ ...MEMORY, cache_zone: 'nowhere' }, 'cache_zone nowhere not found'],
    [
      { cache_strategy: 'disk', cache_zone: 'memory_cache' },
      'invalid or empty cache_zone for cache_strategy: disk',
    ],
    [
      { ...MEMORY, cache_key: ['$uri', '$request_method'] },
      'cache_key variable $request_method unsupported',
    ],
    [{ ...MEMORY, cache_key: ['$uri-', '-cache-id'] }, 'failed to match pattern'],
    [{ ...MEMORY, cache_method: ['GET', 'PUT'] }, 'matches none of the enum values'],
  ])('%j is refused', (raw, message) => {
    expect(() => validConf(plugin.definition, raw)).toThrow(message);
  });
});

describe('proxy-cache in memory', () => {
  test('answers from the cache what was asked for before, and says how old it is', async () => {
    const mounted = mount(KEY);
    const headers = { 'Content-Type': 'text/css', 'Set-Header': ['a', 'b'], Date: 'then' };
    const first = await mounted.request({ upstream: { headers, body: ['hello ', 'world'] } });
    expect([said(first), first.text]).toEqual(['MISS', 'hello world']);
    const second = await mounted.request({});
    expect(second.upstreamRequest).toBeUndefined();
    expect([said(second), second.text, second.status]).toEqual(['HIT', 'hello world', 200]);
    expect(second.headers.get('Content-Type')).toBe('text/css');
    expect(second.headers.getAll('Set-Header')).toEqual(['a', 'b']);
    expect(second.headers.get('Age')).toMatch(/^\d$/);
    expect(second.headers.has('Date')).toBe(false);
  });

  test('asks the upstream anew after its time, and for other keys', async () => {
    const mounted = mount({ ...KEY, cache_ttl: 2 });
    await mounted.request({});
    expect(said(await mounted.request({ target: '/other' }))).toBe('MISS');
    nowMs += 2000;
    expect(said(await mounted.request({}))).toBe('EXPIRED');
    expect(said(await mounted.request({}))).toBe('HIT');
  });

  test('PURGE forgets an answer, also one past its time, and says whether there was one', async () => {
    const mounted = mount({ ...KEY, cache_ttl: 1 });
    await mounted.request({});
    nowMs += 5000;
    expect((await mounted.request({ method: 'PURGE' })).status).toBe(200);
    expect((await mounted.request({ method: 'PURGE' })).status).toBe(404);
    expect(cache.entries.size).toBe(0);
  });

  test.each([
    ['a method that is not kept', { method: 'POST' }, 'MISS'],
    ['a bypass', { target: '/hello?bypass=1' }, 'BYPASS'],
    ['a condition for not keeping', { target: '/hello?no_cache=1' }, 'MISS'],
    ['another status', { upstream: { status: 404 } }, 'MISS'],
    ['a private answer', { upstream: { headers: { 'Cache-Control': 'private' } } }, 'MISS'],
    ['no-store', { upstream: { headers: { 'Cache-Control': 'max-age=9, no-store' } } }, 'MISS'],
    ['a cookie', { upstream: { headers: { 'set-cookie': 'a=b' } } }, 'MISS'],
    ['Vary: *', { upstream: { headers: { Vary: 'Accept, *' } } }, 'MISS'],
    ['HEAD', { method: 'HEAD', upstream: { body: '' } }, 'MISS'],
  ] satisfies [string, PluginRequest, string][])(
    'keeps nothing of %s',
    async (_, request, expected) => {
      const mounted = mount({
        ...KEY,
        cache_http_status: [200],
        cache_bypass: ['$arg_bypass'],
        no_cache: ['$arg_no_cache'],
      });
      expect(said(await mounted.request(request))).toBe(expected);
      expect(cache.entries.size).toBe(0);
    },
  );

  test('keeps what is larger than the limit for nobody, and passes it whole', async () => {
    const mounted = mount({ ...KEY, max_resp_body_size: 10 });
    const run = await mounted.request({ upstream: { body: ['12345', '67890', 'abc'] } });
    expect(run.text).toBe('1234567890abc');
    expect(cache.entries.size).toBe(0);
  });

  test('keeps answers with cookies where it is told to', async () => {
    const mounted = mount({ ...KEY, cache_set_cookie: true });
    await mounted.request({ upstream: { headers: { 'Set-Cookie': 'a=b' } } });
    const hit = await mounted.request({});
    expect([said(hit), hit.headers.get('Set-Cookie')]).toEqual(['HIT', 'a=b']);
  });

  test('keeps an answer for each set of values that Vary names, and purges all', async () => {
    const mounted = mount(KEY);
    const ask = (encoding: string) =>
      mounted.request({
        headers: { 'Accept-Encoding': encoding },
        upstream: { headers: { Vary: 'Accept-Encoding' }, body: encoding },
      });
    expect([await ask('gzip'), await ask('gzip')].map(said)).toEqual(['MISS', 'HIT']);
    expect([await ask('br'), await ask('br')].map(said)).toEqual(['MISS', 'HIT']);
    expect((await ask('gzip')).text).toBe('gzip');
    expect((await mounted.request({ method: 'PURGE' })).status).toBe(200);
    expect(cache.entries.size).toBe(0);
  });

  test('bounds the variants of one key, the oldest go', async () => {
    const mounted = mount(KEY);
    for (let i = 0; i < 100; i++) {
      const headers = { 'User-Agent': `agent ${i}` };
      await mounted.request({ headers, upstream: { headers: { Vary: 'User-Agent' } } });
    }
    expect(cache.entries.size).toBe(65);
  });

  test('keeps the answers of consumers apart, unless the key names who asks', async () => {
    const vars = { remote_user: 'jane' };
    const mounted = mount(KEY);
    await mounted.request({ vars });
    expect(said(await mounted.request({ vars: { remote_user: 'joe' } }))).toBe('MISS');
    expect(said(await mounted.request({ vars }))).toBe('HIT');
    const shared = mount({ cache_key: ['$uri', '$http_authorization'] });
    await shared.request({ vars });
    expect(said(await shared.request({ vars: { remote_user: 'joe' } }))).toBe('HIT');
  });

  test('hides the headers of caches where it is told to, on a hit as well', async () => {
    const mounted = mount({ ...KEY, hide_cache_headers: true });
    const headers = { 'Cache-Control': 'max-age=60', Expires: 'tomorrow', ETag: '"1"' };
    for (const run of [
      await mounted.request({ upstream: { headers } }),
      await mounted.request({}),
    ]) {
      expect(run.headers.has('Cache-Control')).toBe(false);
      expect(run.headers.has('Expires')).toBe(false);
      expect(run.headers.get('ETag')).toBe('"1"');
    }
  });

  test('answers 304 to a client that has the answer', async () => {
    const mounted = mount(KEY);
    await mounted.request({ upstream: { headers: { ETag: '"1"' } } });
    const run = await mounted.request({ headers: { 'If-None-Match': 'W/"1", "2"' } });
    expect([run.status, run.text, said(run)]).toEqual([304, '', 'HIT']);
  });
});

describe('cache_control of proxy-cache', () => {
  const ask = (mounted: MountedPlugin, control: string, age = 60) =>
    mounted.request({
      headers: { 'Cache-Control': control },
      upstream: { headers: { 'Cache-Control': `max-age=${age}` } },
    });

  test('goes by what the request says', async () => {
    const mounted = mount({ ...KEY, cache_control: true });
    expect(said(await ask(mounted, 'no-store'))).toBe('BYPASS');
    expect(said(await ask(mounted, 'no-cache'))).toBe('BYPASS');
    expect((await ask(mounted, 'only-if-cached')).status).toBe(504);
    expect(said(await ask(mounted, 'max-age=60'))).toBe('MISS');
    expect(said(await ask(mounted, 'only-if-cached'))).toBe('HIT');
    expect(said(await ask(mounted, 'max-age=-1'))).toBe('STALE');
    expect(said(await ask(mounted, 'min-fresh=300'))).toBe('STALE');
    expect(said(await ask(mounted, 'max-stale=5'))).toBe('HIT');
  });

  test('goes by how long the answer says it is good', async () => {
    const mounted = mount({ ...KEY, cache_control: true });
    await ask(mounted, '', 0);
    expect(cache.entries.size).toBe(0);
    await ask(mounted, '', 5);
    expect(said(await ask(mounted, ''))).toBe('HIT');
    nowMs += 5000;
    expect(said(await ask(mounted, ''))).toBe('EXPIRED');
  });
});
