import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './cors.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const from = (origin: string): PluginRequest => ({ headers: { Origin: origin } });

async function allowed(raw: object, origin?: string, env: object = {}) {
  const request = origin === undefined ? {} : from(origin);
  const { headers } = await runPlugin(plugin, conf(raw), request, env);
  return headers.get('Access-Control-Allow-Origin');
}

describe('cors', () => {
  test('allows everything by default', async () => {
    const run = await runPlugin(plugin, conf({}));
    expect(run.headers.toRaw()).toEqual([
      ...['Access-Control-Allow-Origin', '*'],
      ...['Access-Control-Allow-Methods', '*'],
      ...['Access-Control-Max-Age', '5'],
      ...['Access-Control-Allow-Headers', '*'],
    ]);
  });

  test('says what the conf says to an origin that it names', async () => {
    const specific = conf({
      allow_origins: 'http://sub.domain.com,http://sub2.domain.com',
      allow_methods: 'GET,POST',
      allow_headers: 'headr1,headr2',
      expose_headers: 'ex-headr1',
      max_age: 50,
      allow_credential: true,
    });
    const run = await runPlugin(plugin, specific, from('http://sub2.domain.com'));
    expect(run.headers.toRaw()).toEqual([
      ...['Vary', 'Origin'],
      ...['Access-Control-Allow-Origin', 'http://sub2.domain.com'],
      ...['Access-Control-Allow-Methods', 'GET,POST'],
      ...['Access-Control-Max-Age', '50'],
      ...['Access-Control-Expose-Headers', 'ex-headr1'],
      ...['Access-Control-Allow-Headers', 'headr1,headr2'],
      ...['Access-Control-Allow-Credentials', 'true'],
    ]);
    const other = await runPlugin(plugin, specific, from('http://sub3.domain.com'));
    expect(other.headers.toRaw()).toEqual(['Vary', 'Origin']);
  });

  test('allows forcefully what the client asks for', async () => {
    const forced = conf({ allow_origins: '**', allow_methods: '**', allow_headers: '**' });
    const { headers } = await runPlugin(plugin, forced, {
      headers: { Origin: 'https://a.com', 'Access-Control-Request-Headers': 'x, y' },
    });
    expect(headers.get('Access-Control-Allow-Origin')).toBe('https://a.com');
    expect(headers.get('Access-Control-Allow-Methods')).toMatch(/^GET,POST,.*,TRACE$/);
    expect(headers.get('Access-Control-Allow-Headers')).toBe('x, y');
    const nothingAsked = await runPlugin(plugin, forced, {
      upstream: { headers: { 'Access-Control-Allow-Headers': 'upstream' } },
    });
    expect(nothingAsked.headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(nothingAsked.headers.has('Access-Control-Allow-Headers')).toBe(false);
  });

  test('answers OPTIONS itself, with the headers', async () => {
    const run = await runPlugin(plugin, conf({}), { method: 'OPTIONS' });
    expect(run.reply).toEqual({ status: 200 });
    expect(run.headers.get('Access-Control-Allow-Methods')).toBe('*');
    expect(run.upstreamRequest).toBeUndefined();
  });

  test('takes the place of headers that the upstream sent', async () => {
    const run = await runPlugin(plugin, conf({ max_age: -1 }), {
      upstream: { headers: { 'Access-Control-Max-Age': '10', Vary: 'Via' } },
    });
    expect(run.headers.getAll('Access-Control-Max-Age')).toEqual(['-1']);
    expect(run.headers.get('Vary')).toBe('Via');
  });

  test('goes by the origin that the client sent, whatever plugins do to it', async () => {
    const run = await runPlugin(plugin, conf({ allow_origins: 'http://a.com' }), {
      ...from('http://a.com'),
      atUpstream: (ctx) => ctx.request.headers.set('Origin', 'http://b.com'),
    });
    expect(run.headers.get('Access-Control-Allow-Origin')).toBe('http://a.com');
  });

  test('goes by patterns alone where there are some', async () => {
    const raw = {
      allow_origins: 'http://c.com',
      allow_origins_by_regex: ['.*\\.test\\.com$', '^http://b'],
    };
    expect(await allowed(raw, 'http://a.test.com')).toBe('http://a.test.com');
    expect(await allowed(raw, 'http://b.org')).toBe('http://b.org');
    expect(await allowed(raw, 'http://c.com')).toBeUndefined();
    expect(await allowed(raw)).toBeUndefined();
  });

  test('finds origins by name in the metadata, and its own after those', async () => {
    const env = { metadata: { allow_origins: { a: 'http://a.com', more: 'http://b.com,null' } } };
    const raw = { allow_origins_by_metadata: ['a', 'none', 'more'] };
    expect(await allowed(raw, 'http://b.com', env)).toBe('http://b.com');
    expect(await allowed(raw, 'null', env)).toBe('null');
    expect(await allowed(raw, 'http://c.com', env)).toBeUndefined();
    expect(await allowed(raw, 'http://a.com')).toBeUndefined();
    const both = { ...raw, allow_origins: 'http://c.com' };
    expect(await allowed(both, 'http://c.com', env)).toBe('http://c.com');
    expect(await allowed(both, 'http://a.com', env)).toBe('http://a.com');
  });

  test('says who may see timing information', async () => {
    const timing = async (raw: object, origin: string) => {
      const { headers } = await runPlugin(plugin, conf(raw), from(origin));
      return headers.get('Timing-Allow-Origin');
    };
    expect(await timing({ timing_allow_origins: '*' }, 'http://a.com')).toBe('*');
    expect(await timing({ timing_allow_origins: 'http://a.com' }, 'http://a.com')).toBe(
      'http://a.com',
    );
    expect(await timing({ timing_allow_origins: 'http://a.com' }, 'http://b.com')).toBeUndefined();
    const patterns = { timing_allow_origins_by_regex: ['b\\.com$'] };
    expect(await timing(patterns, 'http://b.com')).toBe('http://b.com');
    expect(await timing({}, 'http://a.com')).toBeUndefined();
  });
});

describe('cors refuses', () => {
  test.each([
    [{ allow_origins: 'a.com' }, 'property "allow_origins" validation failed: failed to match'],
    [{ allow_origins: 'http://a.com,' }, 'failed to match pattern'],
    [{ allow_credential: true }, "you can not set '*' for other option when 'allow_credential'"],
    [{ allow_origins_by_regex: [] }, 'expect array to have at least 1 items'],
    [{ allow_origins_by_regex: ['('] }, 'pcre_compile() failed: missing )'],
    [{ timing_allow_origins_by_regex: ['('] }, 'pcre_compile() failed: missing )'],
  ])('%j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
