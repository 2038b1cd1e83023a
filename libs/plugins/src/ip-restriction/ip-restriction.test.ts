import { runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './ip-restriction.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const from = (clientAddress: string) => ({ clientAddress });

describe('ip-restriction', () => {
  const whitelist = conf({ whitelist: ['127.0.0.0/24', '113.74.26.106', 'fe80::/32'] });
  const blacklist = conf({ blacklist: ['10.0.0.0/8', '::1'], response_code: 404, message: 'no' });

  test.each(['127.0.0.3', '113.74.26.106', 'fe80::5'])(
    'lets %s through, which is on the whitelist',
    async (address) => {
      expect((await runPlugin(plugin, whitelist, from(address))).status).toBe(200);
    },
  );

  test.each(['114.114.114.114', '127.0.1.1', 'fe81::1', 'no address'])(
    'answers 403 to %s, which is off the whitelist',
    async (address) => {
      const run = await runPlugin(plugin, whitelist, from(address));
      expect(run.status).toBe(403);
      expect(run.text).toBe('{"message":"Your IP address is not allowed"}\n');
      expect(run.upstreamRequest).toBeUndefined();
    },
  );

  test('answers to an address on the blacklist with the code and message of the conf', async () => {
    const run = await runPlugin(plugin, blacklist, from('10.1.2.3'));
    expect(run.status).toBe(404);
    expect(run.text).toBe('{"message":"no"}\n');
    expect((await runPlugin(plugin, blacklist, from('::1'))).status).toBe(404);
  });

  test('lets an address off the blacklist through', async () => {
    expect((await runPlugin(plugin, blacklist, from('11.0.0.1'))).status).toBe(200);
  });

  test('refuses a conf with both lists, with none, and with what is no address', () => {
    expect(() => conf({ whitelist: ['1.1.1.1'], blacklist: ['1.1.1.1'] })).toThrow(
      'value should match only one schema, but matches both schemas 1 and 2',
    );
    expect(() => conf({})).toThrow('value should match only one schema, but matches none');
    expect(() => conf({ blacklist: ['10.255.256.0/24'] })).toThrow(
      'property "blacklist" validation failed: failed to validate item 1: ' +
        'object matches none of the required',
    );
    expect(() => conf({ whitelist: ['::1/129'] })).toThrow('invalid ip address: ::1/129');
    expect(() => conf({ whitelist: ['1.1.1.1'], response_code: 405 })).toThrow(
      'property "response_code" validation failed: expected 405 to be at most 404',
    );
  });
});
