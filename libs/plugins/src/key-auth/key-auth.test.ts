import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './key-auth.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);

const jack: ConsumerMatch = {
  username: 'jack',
  groupId: undefined,
  labels: undefined,
  customId: 'c-1',
  credentialId: 'cred-1',
  authConf: { key: 'auth-one' },
};
const nobody: ConsumerMatch = {
  ...jack,
  username: 'nobody',
  customId: undefined,
  credentialId: undefined,
  authConf: {},
};
const known: PluginRequest = {
  consumersByKey: { 'key-auth': { 'auth-one': jack } },
  consumersByName: { nobody },
};

describe('key-auth', () => {
  test('lets a request with a known key in the header through as that consumer', async () => {
    const run = await runPlugin(plugin, conf(), { ...known, headers: { apikey: 'auth-one' } });
    expect(run.reply).toBeUndefined();
    expect(run.ctx.consumer?.username).toBe('jack');
    const { headers } = run.upstreamRequest!;
    expect(headers.get('x-consumer-username')).toBe('jack');
    expect(headers.get('apikey')).toBe('auth-one');
  });

  test('finds the key in the query when the header is missing', async () => {
    const run = await runPlugin(plugin, conf(), { ...known, target: '/hello?a=1&apikey=auth-one' });
    expect(run.ctx.consumer?.username).toBe('jack');
    expect(run.upstreamRequest?.query).toBe('a=1&apikey=auth-one');
  });

  test('answers 401 with a challenge when there is no key', async () => {
    const run = await runPlugin(plugin, conf(), known);
    expect(run.status).toBe(401);
    expect(run.text).toBe('{"message":"Missing API key in request"}\n');
    expect(run.headers.get('www-authenticate')).toBe('apikey realm="key"');
    expect(run.upstreamRequest).toBeUndefined();
  });

  test('answers 401 to an unknown key and says in the log why', async () => {
    const run = await runPlugin(plugin, conf({ realm: 'zone' }), {
      ...known,
      headers: { apikey: 'wrong' },
    });
    expect(run.text).toBe('{"message":"Invalid API key in request"}\n');
    expect(run.headers.get('www-authenticate')).toBe('apikey realm="zone"');
    expect(run.log).toEqual(['warn: failed to find consumer: invalid api key']);
  });

  test.each(['__proto__', 'constructor', ''])('takes %j for no known key', async (apikey) => {
    const run = await runPlugin(plugin, conf(), { ...known, headers: { apikey } });
    expect(run.status).toBe(401);
  });

  test.each(['/hello?apikey', '/hello?apikey=auth-one&apikey=auth-one'])(
    'takes a query argument that is no single text for a wrong key: %s',
    async (target) => {
      const run = await runPlugin(plugin, conf(), { ...known, target });
      expect(run.text).toBe('{"message":"Invalid API key in request"}\n');
    },
  );

  test('prefers the header over the query, even a wrong header', async () => {
    const run = await runPlugin(plugin, conf(), {
      ...known,
      headers: { apikey: 'wrong' },
      target: '/hello?apikey=auth-one',
    });
    expect(run.status).toBe(401);
  });

  test('hides the key from the upstream, and only that', async () => {
    const hiding = conf({ hide_credentials: true, header: 'x-key', query: 'k' });
    const inHeader = await runPlugin(plugin, hiding, {
      ...known,
      headers: { 'X-Key': 'auth-one' },
    });
    expect(inHeader.upstreamRequest?.headers.has('x-key')).toBe(false);
    const inQuery = await runPlugin(plugin, hiding, { ...known, target: '/?a=1&k=auth-one&b' });
    expect(inQuery.upstreamRequest?.query).toBe('a=1&b');
  });

  test('falls back to the anonymous consumer', async () => {
    const run = await runPlugin(plugin, conf({ anonymous_consumer: 'nobody' }), known);
    expect(run.reply).toBeUndefined();
    expect(run.ctx.consumer?.username).toBe('nobody');
  });

  test('hides wrong keys in both places from the upstream when it falls back', async () => {
    const run = await runPlugin(
      plugin,
      conf({ anonymous_consumer: 'nobody', hide_credentials: true }),
      { ...known, headers: { apikey: 'wrong' }, target: '/hello?apikey=wrong-too' },
    );
    expect(run.upstreamRequest?.headers.has('apikey')).toBe(false);
    expect(run.upstreamRequest?.query).toBe('');
  });

  test('answers 401 when the anonymous consumer does not exist', async () => {
    const run = await runPlugin(plugin, conf({ anonymous_consumer: 'ghost' }), known);
    expect(run.text).toBe('{"message":"Invalid user authorization"}\n');
    expect(run.log).toContain(
      'error: key-auth failed to authenticate the request, code: 401. ' +
        'error: failed to get anonymous consumer ghost',
    );
  });

  test('refuses a realm that would end the quoted string', () => {
    expect(() => conf({ realm: 'a"b' })).toThrow('property "realm" validation failed');
    expect(() => conf({ realm: 'a\\b' })).toThrow('property "realm" validation failed');
    expect(conf({ realm: '[a] ~!' }).realm).toBe('[a] ~!');
  });
});
