import type { ConsumerMatch, Plugin, PluginDefinition } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import basicAuth from '../basic-auth/basic-auth.ts';
import echo from '../echo/echo.ts';
import hmacAuth from '../hmac-auth/hmac-auth.ts';
import keyAuth from '../key-auth/key-auth.ts';
import plugin from './multi-auth.ts';

const loaded = [basicAuth, hmacAuth, keyAuth, echo] as unknown as readonly Plugin[];
const plugins = new Map(loaded.map((one) => [one.definition.name, one]));
const definitions = new Map<string, PluginDefinition>(
  loaded.map(({ definition }) => [definition.name, definition]),
);
const conf = (...entries: unknown[]) =>
  validConf(plugin.definition, { auth_plugins: entries }, definitions);
const run = (entries: unknown[], request: PluginRequest) =>
  runPlugin(plugin, conf(...entries), request, { plugins });

const foo: ConsumerMatch = {
  username: 'foo',
  groupId: undefined,
  labels: undefined,
  customId: undefined,
  credentialId: undefined,
  authConf: { username: 'foo', password: 'bar', key: 'auth-one' },
};
const known: PluginRequest = {
  consumersByKey: { 'basic-auth': { foo }, 'key-auth': { 'auth-one': foo } },
};
const both = [{ 'basic-auth': {} }, { 'key-auth': { hide_credentials: true } }];

describe('multi-auth', () => {
  test.each([{ Authorization: 'Basic Zm9vOmJhcg==' }, { apikey: 'auth-one' }])(
    'lets in whom one of its plugins lets in: %j',
    async (headers) => {
      const { ctx, log, upstreamRequest } = await run(both, { ...known, headers });
      expect(ctx.consumer?.username).toBe('foo');
      expect(upstreamRequest?.headers.has('apikey')).toBe(false);
      expect(log).toEqual([]);
    },
  );

  test('answers 401 when none does, and says in the log why', async () => {
    const headers = { Authorization: 'Basic aca_a', apikey: 'wrong' };
    const { status, text, log } = await run(both, { ...known, headers });
    expect(status).toBe(401);
    expect(text).toBe('{"message":"Authorization Failed"}\n');
    expect(log).toEqual([
      'warn: basic-auth failed to authenticate the request, code: 401. ' +
        'error: Failed to decode authentication header: aca_a',
      'warn: key-auth failed to authenticate the request, code: 401. ' +
        'error: failed to find consumer: invalid api key',
    ]);
  });

  test('waits for a plugin that reads the body before it asks the next', async () => {
    const entries = [{ 'hmac-auth': { validate_request_body: true } }, { 'key-auth': {} }];
    const request = { ...known, headers: { apikey: 'auth-one' }, body: 'x' };
    expect((await run(entries, request)).ctx.consumer?.username).toBe('foo');
  });

  test('runs a plugin that is there twice with both confs', async () => {
    const entries = [{ 'key-auth': { header: 'a' } }, { 'key-auth': { header: 'b' } }];
    expect((await run(entries, { ...known, headers: { b: 'auth-one' } })).status).toBe(200);
  });

  test('fills in the defaults of the confs in it', () => {
    expect(conf(...both).auth_plugins[0]).toEqual({
      'basic-auth': { hide_credentials: false, realm: 'basic' },
    });
  });

  test.each([
    [[{ 'basic-auth': {} }], 'expect array to have at least 2 items'],
    [[{ 'no-auth': {} }, {}], 'no-auth plugin did not found'],
    [[{ echo: { body: 'x' } }, {}], 'echo plugin is not supported'],
    [
      [{ 'key-auth': {} }, { 'basic-auth': 'blah' }],
      'plugin basic-auth check schema failed: wrong type: expected object, got string',
    ],
    [
      [{ 'basic-auth': { hide_credentials: 'false' } }, {}],
      'plugin basic-auth check schema failed: property "hide_credentials" validation failed',
    ],
    [['basic-auth', 'key-auth'], 'property "auth_plugins" validation failed'],
  ])('refuses %j', (entries, message) => {
    expect(() => conf(...entries)).toThrow(message);
  });

  test('is not prepared with a plugin that is not enabled', async () => {
    await expect(async () => runPlugin(plugin, conf(...both), known)).rejects.toThrow(
      'basic-auth plugin did not found',
    );
  });
});
