import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './real-ip.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

/** `address:port` of the client as later plugins see it. */
async function client(raw: object, request: PluginRequest): Promise<string> {
  const { ctx } = await runPlugin(plugin, conf(raw), request);
  return `${ctx.client.address}:${ctx.client.port}`;
}

const forwarded = (...values: readonly string[]): PluginRequest => ({
  headers: { 'X-Forwarded-For': values },
});

describe('real-ip', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4:0'],
    ['1.2.3.4:7090', '1.2.3.4:7090'],
    ['fe80::1', 'fe80::1:0'],
    ['[fe80::1]', 'fe80::1:0'],
    ['[::2]:7090', '::2:7090'],
  ])('takes %s from an argument', async (address, expected) => {
    expect(await client({ source: 'arg_ip' }, { target: `/?ip=${address}` })).toBe(expected);
  });

  test.each([
    ['127.0.0.1.8', 'bad address: 127.0.0.1.8'],
    ['apisix.org', 'bad address: apisix.org'],
    ['1.1.1.1:0', 'bad port: 0'],
    ['1.1.1.1:65536', 'bad port: 65536'],
    ['1.1.1.1:x', 'bad port: x'],
  ])('leaves the client as it is with %s, and says why', async (address, reason) => {
    const { ctx, log } = await runPlugin(plugin, conf({ source: 'http_xff' }), {
      headers: { xff: address },
    });
    expect(ctx.client.address).toBe('127.0.0.1');
    expect(log).toEqual([`warn: ${reason}`]);
  });

  test('leaves the client as it is when nobody says anything', async () => {
    const { ctx, log } = await runPlugin(plugin, conf({ source: 'http_xff' }));
    expect(ctx.client.address).toBe('127.0.0.1');
    expect(log).toEqual(['warn: missing real address']);
  });

  test('takes the last of X-Forwarded-For', async () => {
    const source = 'http_x_forwarded_for';
    expect(await client({ source }, forwarded('1.1.1.1,1.1.1.2, 2.2.2.2'))).toBe('2.2.2.2:0');
    expect(await client({ source }, forwarded('1.1.1.1', '3.3.3.3:80'))).toBe('3.3.3.3:80');
    expect(await client({ source }, forwarded('4.4.4.4'))).toBe('4.4.4.4:0');
  });

  test('passes trusted proxies over when told to', async () => {
    const raw = {
      source: 'http_x_forwarded_for',
      trusted_addresses: ['192.128.0.0/16', '127.0.0.0/24'],
      recursive: true,
    };
    const list = '1.1.1.1, 192.128.1.1,127.0.0.1';
    expect(await client(raw, forwarded(list))).toBe('1.1.1.1:0');
    expect(await client(raw, forwarded('9.9.9.9, 2.2.2.2, 127.0.0.1'))).toBe('2.2.2.2:0');
    expect(await client(raw, forwarded('127.0.0.8,127.0.0.9'))).toBe('127.0.0.8:0');
    expect(await client({ ...raw, recursive: false }, forwarded(list))).toBe('127.0.0.1:0');
  });

  test('takes the word of trusted proxies alone', async () => {
    const raw = { source: 'arg_ip', trusted_addresses: ['10.0.0.0/8', '::1'] };
    const target = '/?ip=1.2.3.4';
    expect(await client(raw, { target, clientAddress: '10.1.1.1' })).toBe('1.2.3.4:0');
    expect(await client(raw, { target, clientAddress: '11.1.1.1' })).toBe('11.1.1.1:51234');
  });

  test.each([
    [{}, 'property "source" is required'],
    [{ source: '' }, 'string too short, expected at least 1, got 0'],
    [{ source: 'a', trusted_addresses: [] }, 'expect array to have at least 1 items'],
    [{ source: 'a', trusted_addresses: ['127.0.0.1/33'] }, 'failed to validate item 1'],
    [{ source: 'a', trusted_addresses: ['::1/129'] }, 'invalid ip address: ::1/129'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
