import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './basic-auth.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);
const basic = (credentials: string | Buffer, scheme = 'Basic') => ({
  Authorization: `${scheme} ${Buffer.from(credentials).toString('base64')}`,
});

const nobody: ConsumerMatch = {
  username: 'nobody',
  groupId: undefined,
  labels: undefined,
  customId: undefined,
  credentialId: undefined,
  authConf: {},
};
const withPassword = (username: string, password: string): ConsumerMatch => ({
  ...nobody,
  username,
  authConf: { username, password },
});
const known: PluginRequest = {
  consumersByKey: {
    'basic-auth': {
      foo: withPassword('foo', 'bar'),
      colon: withPassword('colon', 'a:b'),
      odd: withPassword('odd', '\u{fffd}'),
    },
  },
  consumersByName: { nobody },
};

describe('basic-auth', () => {
  test.each(['Basic', 'basic', 'BASIC', 'bASiC'])('takes the scheme as %s', async (scheme) => {
    const run = await runPlugin(plugin, conf(), { ...known, headers: basic('foo:bar', scheme) });
    expect(run.ctx.consumer?.username).toBe('foo');
    expect(run.upstreamRequest?.headers.has('authorization')).toBe(true);
  });

  test('drops white space around the credentials, as APISIX does', async () => {
    const run = await runPlugin(plugin, conf(), { ...known, headers: basic(' foo:ba r\n') });
    expect(run.ctx.consumer?.username).toBe('foo');
  });

  test('takes a colon for a part of the password', async () => {
    const run = await runPlugin(plugin, conf(), { ...known, headers: basic('colon:a:b') });
    expect(run.ctx.consumer?.username).toBe('colon');
    const tail = await runPlugin(plugin, conf(), { ...known, headers: basic('foo:bar:more') });
    expect(tail.status).toBe(401);
  });

  test.each([
    [{}, 'Missing authorization in request', []],
    [
      { Authorization: 'Bad_header YmFyOmJhcgo=' },
      'Invalid authorization in request',
      ['warn: Invalid authorization header format'],
    ],
    [
      { Authorization: 'Basic aca_a' },
      'Invalid authorization in request',
      ['warn: Failed to decode authentication header: aca_a'],
    ],
    [
      { Authorization: 'Basic YmFy' },
      'Invalid authorization in request',
      ['warn: Split authorization err: invalid decoded data'],
    ],
    [basic('bar:bar'), 'Invalid user authorization', ['warn: failed to find user: invalid user']],
    [basic('foo:foo'), 'Invalid user authorization', []],
    [basic('foo:'), 'Invalid user authorization', []],
    [basic('__proto__:x'), 'Invalid user authorization', undefined],
  ])('answers 401 with a challenge to %j', async (headers, message, log) => {
    const run = await runPlugin(plugin, conf(), { ...known, headers });
    expect(run.status).toBe(401);
    expect(run.text).toBe(`{"message":"${message}"}\n`);
    expect(run.headers.get('www-authenticate')).toBe('Basic realm="basic"');
    if (log !== undefined) expect(run.log).toEqual(log);
  });

  test('does not take bytes that are no UTF-8 for the character that stands for them', async () => {
    const wrong = Buffer.concat([Buffer.from('odd:'), Buffer.from([0xff])]);
    expect((await runPlugin(plugin, conf(), { ...known, headers: basic(wrong) })).status).toBe(401);
    const right = basic('odd:\u{fffd}');
    const run = await runPlugin(plugin, conf(), { ...known, headers: right });
    expect(run.ctx.consumer?.username).toBe('odd');
  });

  test('hides the credentials from the upstream', async () => {
    const request = { ...known, headers: basic('foo:bar') };
    const run = await runPlugin(plugin, conf({ hide_credentials: true }), request);
    expect(run.upstreamRequest?.headers.has('authorization')).toBe(false);
  });

  test('falls back to the anonymous consumer and hides what was wrong', async () => {
    const falling = conf({ anonymous_consumer: 'nobody', hide_credentials: true });
    const run = await runPlugin(plugin, falling, { ...known, headers: basic('foo:wrong') });
    expect(run.ctx.consumer?.username).toBe('nobody');
    expect(run.upstreamRequest?.headers.has('authorization')).toBe(false);
  });

  test('answers 401 when the anonymous consumer does not exist', async () => {
    const run = await runPlugin(plugin, conf({ anonymous_consumer: 'ghost', realm: 'a' }), known);
    expect(run.text).toBe('{"message":"Invalid user authorization"}\n');
    expect(run.headers.get('www-authenticate')).toBe('Basic realm="a"');
    expect(run.log).toEqual([
      'error: basic-auth failed to authenticate the request, code: 401. ' +
        'error: failed to get anonymous consumer ghost',
    ]);
  });

  test('refuses a realm that would end the quoted string', () => {
    expect(() => conf({ realm: 'a"b' })).toThrow('property "realm" validation failed');
  });
});
