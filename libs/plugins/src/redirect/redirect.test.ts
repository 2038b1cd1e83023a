import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './redirect.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

async function location(raw: object, request: PluginRequest = {}, env: object = {}) {
  const run = await runPlugin(plugin, conf(raw), request, env);
  return run.reply === undefined ? undefined : `${run.status} ${run.headers.get('Location')}`;
}

describe('redirect to a uri', () => {
  test.each([
    ['/test/add', '302 /test/add'],
    ['$uri/test/a${arg_name}c', '302 /hello/test/ajsonc'],
    ['/foo$$uri', '302 /foo$/hello'],
    ['\\$uri/foo$uri\\$uri/bar', '302 \\$uri/foo/hello\\$uri/bar'],
    ['$uri/$bad_var/bar', '302 /hello//bar'],
    ['https://$host$request_uri', '302 https://foo.com/hello?name=json'],
  ])('%s', async (uri, expected) => {
    const request = { target: '/hello?name=json', headers: { Host: 'foo.com:9080' } };
    expect(await location({ uri }, request)).toBe(expected);
  });

  test('answers with the code of the conf', async () => {
    expect(await location({ uri: '/there', ret_code: 301 })).toBe('301 /there');
  });

  test('begins no header of its own with a line break of the client', async () => {
    const target = '/?to=%0d%0aSet-Cookie: a';
    expect(await location({ uri: '/a$arg_to' }, { target })).toBe('302 /a%0D%0ASet-Cookie: a');
  });

  test('encodes the path and leaves the query', async () => {
    const encoding = { uri: '$uri?a b', encode_uri: true };
    expect(await location(encoding, { target: '/with%20space' })).toBe('302 /with%20space?a b');
  });

  test('appends the query of the client', async () => {
    const request = { target: '/hello?name=json' };
    const appending = { append_query_string: true };
    expect(await location({ ...appending, uri: '$uri' }, request)).toBe('302 /hello?name=json');
    expect(await location({ ...appending, uri: '/x?y=1' }, request)).toBe('302 /x?y=1&name=json');
    expect(await location({ ...appending, uri: '/x' })).toBe('302 /x');
  });
});

describe('redirect by a pattern', () => {
  const substituting = { regex_uri: ['^/test/(.*)', 'http://test.com/${1}'] };

  test('fills captures in', async () => {
    expect(await location(substituting, { target: '/test/1' })).toBe('302 http://test.com/1');
  });

  test('lets pass what does not match', async () => {
    expect(await location(substituting, { target: '/hello' })).toBeUndefined();
  });

  test('answers 500 when a path is too long for the pattern', async () => {
    const run = await runPlugin(plugin, conf({ regex_uri: ['^/(?=a)(.*)', '/$1'] }), {
      target: `/${'a'.repeat(100_000)}`,
    });
    expect(run.reply).toEqual({ status: 500 });
  });
});

describe('redirect to https', () => {
  const toHttps = { http_to_https: true, ret_code: 307 };
  const headers = { Host: 'foo.com' };

  test.each([
    ['GET', '301'],
    ['HEAD', '301'],
    ['POST', '308'],
  ])('answers a %s with %s', async (method, status) => {
    const request = { method, headers, target: '/hello?a=1' };
    expect(await location(toHttps, request)).toBe(`${status} https://foo.com/hello?a=1`);
  });

  test('leaves a client alone that came by https, itself or to a proxy before', async () => {
    expect(await location(toHttps, { scheme: 'https' })).toBeUndefined();
    const forwarded = { headers: { 'X-Forwarded-Proto': 'https' } };
    expect(await location(toHttps, forwarded)).toBeUndefined();
  });

  test.each([
    [{ attr: { https_port: 8443 }, httpsPorts: [9443] }, ':8443'],
    [{ httpsPorts: [9443] }, ':9443'],
    [{ httpsPorts: [443] }, ''],
    [{ attr: { https_port: 0 } }, ''],
    [{ attr: { https_port: 70_000 } }, ''],
  ])('with %j', async (env, port) => {
    expect(await location(toHttps, { headers }, env)).toBe(`301 https://foo.com${port}/hello`);
  });
});

describe('redirect refuses', () => {
  test.each([
    [{ ret_code: 302 }, 'value should match only one schema, but matches none'],
    [{ uri: '/a', http_to_https: true }, 'matches both schemas 1 and 3'],
    [{ uri: 'x' }, 'string too short, expected at least 2, got 1'],
    [{ regex_uri: ['^/a'] }, 'expect array to have at least 2 items'],
    [{ regex_uri: ['^/a(', '/b'] }, 'invalid regex_uri (^/a(, /b), err:'],
    [
      { http_to_https: true, append_query_string: true },
      'only one of `http_to_https` and `append_query_string` can be configured.',
    ],
  ])('%j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
