import { mountPlugin, runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './proxy-rewrite.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

/** Path and query as the upstream gets them. */
async function target(raw: object, request: PluginRequest | string): Promise<string> {
  const init = typeof request === 'string' ? { target: request } : request;
  const { upstreamRequest } = await runPlugin(plugin, conf(raw), init);
  const { path, query } = upstreamRequest!;
  return query === '' ? String(path) : `${path}?${query}`;
}

describe('proxy-rewrite of the uri', () => {
  test('replaces the path and keeps the query', async () => {
    expect(await target({ uri: '/test' }, '/hello?q=apisix&a=1')).toBe('/test?q=apisix&a=1');
  });

  test('puts a query of its own before the one of the client', async () => {
    expect(await target({ uri: '/test?x=1' }, '/hello?q=2')).toBe('/test?x=1&q=2');
    expect(await target({ uri: '/test?x=1' }, '/hello')).toBe('/test?x=1');
  });

  test('fills in variables, with and without a value', async () => {
    const uri = '/$arg_new_uri/${http_x_part ?? none}/$no_such/end';
    expect(await target({ uri }, '/hello?new_uri=a')).toBe('/a/none//end?new_uri=a');
  });

  test('takes a question mark in a variable for part of the path', async () => {
    // escaped once for being a variable and again as every percent sign of a path, as in APISIX
    expect(await target({ uri: '/$arg_p' }, '/hello?p=a%3Fb')).toBe('/a%253Fb?p=a%3Fb');
  });

  test('lets no line break of a variable into the request line', async () => {
    expect(await target({ uri: '/a$arg_p?b=$arg_p' }, '/?p=x%0d%0ay')).toBe(
      '/ax%0D%0Ay?b=x%0D%0Ay&p=x%0d%0ay',
    );
  });

  test('encodes what may not stand in a path', async () => {
    expect(await target({ uri: '/ä b"#%<>\\^`{|}' }, '/')).toBe(
      '/%C3%A4%20b%22%23%25%3C%3E%5C%5E%60%7B%7C%7D',
    );
  });

  test('substitutes with the first pattern that matches', async () => {
    const regexUri = ['^/a/(.*)$', '/first/$1', '^/(\\w+)/(.*)$', '/$2/${1}?from=$1'];
    expect(await target({ regex_uri: regexUri }, '/a/b?x=1')).toBe('/first/b?x=1');
    expect(await target({ regex_uri: regexUri }, '/c/d?x=1')).toBe('/d/c?from=c&x=1');
    expect(await target({ regex_uri: regexUri }, '/none?x=1')).toBe('/none?x=1');
  });

  test('prefers uri over regex_uri', async () => {
    expect(await target({ uri: '/u', regex_uri: ['.*', '/r'] }, '/hello')).toBe('/u');
  });

  test('does not take an encoded question mark of the client for a query', async () => {
    expect(await target({ regex_uri: ['^/(.*)', '/x/$1'] }, '/a%3Fb')).toBe('/x/a%3Fb');
    expect(await target({ method: 'GET' }, '/a%3Fb%20c')).toBe('/a%3Fb%20c');
  });

  test('sends the target as it came when that is asked for', async () => {
    const unsafe = { use_real_request_uri_unsafe: true };
    expect(await target(unsafe, '/a%2Fb/../c?x=%20')).toBe('/a%2Fb/../c?x=%20');
    expect(await target({ ...unsafe, uri: '/new' }, '/a%2Fb?x=1')).toBe('/new?x=1');
    expect(await target({ ...unsafe, uri: '/new?y=2' }, '/a%2Fb?x=1')).toBe('/new?y=2&x=1');
    const regexUri = ['^/a(.*)', '/z$1'];
    expect(await target({ ...unsafe, regex_uri: regexUri }, '/a%2Fb?x=1')).toBe('/z%2Fb?x=1');
  });

  test('leaves a path alone that an earlier plugin wrote, unless it has one itself', async () => {
    const headersOnly = mountPlugin(
      {
        ...plugin,
        rewrite(ctx, prepared) {
          ctx.request.upstreamPath = '/from-a-runner';
          return plugin.rewrite?.(ctx, prepared);
        },
      },
      conf({ headers: { 'X-A': 'b' } }),
    );
    expect((await headersOnly.request()).upstreamRequest?.path).toBe('/from-a-runner');
  });

  test('answers 500 when a path is too long for the pattern', async () => {
    const run = await runPlugin(plugin, conf({ regex_uri: ['^/(?=a)(.*)', '/$1'] }), {
      target: `/${'a'.repeat(100_000)}`,
    });
    expect(run.status).toBe(500);
    expect(run.text).toContain('{"error_msg":"failed to match the uri ');
  });
});

describe('proxy-rewrite of headers, host and method', () => {
  const headersAfter = async (headers: object, request: PluginRequest = {}, more: object = {}) => {
    const { upstreamRequest } = await runPlugin(plugin, conf({ headers, ...more }), request);
    return upstreamRequest!.headers;
  };

  test('sets host and method', async () => {
    const run = await runPlugin(plugin, conf({ host: 'test.com:8080', method: 'POST' }));
    expect(run.upstreamRequest).toMatchObject({ host: 'test.com:8080', method: 'POST' });
  });

  test('takes a header out that is set to nothing', async () => {
    const set = { 'X-A': '', 'X-B': '$arg_none', 'X-C': ['', '$arg_none'], 'X-D': ['', 'd'] };
    const given = { 'X-A': 'a', 'X-B': 'b', 'X-C': 'c', 'X-D': 'd', 'X-E': 'e' };
    const headers = await headersAfter({ set }, { headers: given });
    expect(headers.toRaw()).toEqual(['X-E', 'e', 'X-D', 'd']);
    expect((await headersAfter({ 'X-A': '' }, { headers: given })).has('X-A')).toBe(false);
  });

  test('adds, sets and removes headers, in that order', async () => {
    const headers = await headersAfter(
      { add: { 'X-A': 'two' }, set: { 'X-B': 3, 'X-C': ['1', 2] }, remove: ['X-D', 'x-e'] },
      { headers: { 'X-A': 'one', 'X-B': 'old', 'X-D': 'gone', 'X-E': 'gone' } },
    );
    expect(headers.toRaw()).toEqual([
      ...['X-A', 'one', 'X-B', '3', 'X-A', 'two', 'X-C', '1', 'X-C', '2'],
    ]);
  });

  test('sets headers in the old form', async () => {
    const headers = await headersAfter({ 'X-Api': 'v2', 'X-Number': 1 });
    expect(headers.toRaw()).toEqual(['X-Api', 'v2', 'X-Number', '1']);
  });

  test('fills in variables and captures of regex_uri', async () => {
    const headers = await headersAfter(
      { set: { 'X-All': '$1-${2}-$3 $remote_addr ${arg_a ?? b}' } },
      { target: '/one/two' },
      { regex_uri: ['^/(\\w+)/(\\w+)', '/$2'] },
    );
    expect(headers.get('X-All')).toBe('one-two- 127.0.0.1 b');
  });

  test('a capture brings no variable in', async () => {
    const headers = await headersAfter(
      { set: { 'X-Part': '$1' } },
      { target: '/$remote_addr' },
      { regex_uri: ['^/(.*)', '/$1'] },
    );
    expect(headers.get('X-Part')).toBe('$remote_addr');
  });

  test('a line break in a variable begins no new header', async () => {
    const headers = await headersAfter(
      { set: { 'X-A': '$arg_a' } },
      { target: '/?a=b%0d%0aX-B: c' },
    );
    expect(headers.toRaw()).toEqual(['X-A', 'b%0D%0AX-B: c']);
  });
});

describe('proxy-rewrite refuses', () => {
  test.each([
    ['a uri without slash', { uri: 'home' }],
    ['an unknown method', { method: 'GET1' }],
    ['a host with a path', { host: 'a.com/x' }],
    ['add and unknown operations together', { headers: { add: { a: 'b' }, move: { a: 'b' } } }],
  ])('%s', (_what, raw) => {
    expect(() => conf(raw)).toThrow(/^property "/);
  });

  test.each([
    [['^/a'], 'expect array to have at least 2 items'],
    [['^/a', '/b', '^/c'], 'The length of regex_uri should be an even number'],
    [['^/test/(.*)/(', '/$1'], 'invalid regex_uri(^/test/(.*)/(, /$1): '],
    [['^/t', '/$`1'], 'invalid regex_uri(^/t, /$`1): invalid capturing variable name found'],
    [['^/t', '/$'], 'invalid regex_uri(^/t, /$): invalid capturing variable name found'],
    [['^/(?<a>t)', '/${a}'], 'named captures not supported yet'],
  ])('regex_uri %j', (regexUri, message) => {
    expect(() => conf({ regex_uri: regexUri })).toThrow(message);
  });

  test.each([
    [{ 'X-Api Version': 'v2' }, 'invalid field character in header'],
    [{ 'X-Api': 'v2\r\nX-B: c' }, 'invalid value character in header'],
  ])('headers %j', (headers, message) => {
    expect(() => conf({ headers })).toThrow(message);
  });
});
