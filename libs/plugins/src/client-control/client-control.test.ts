import { GatewayError } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './client-control.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const limited = conf({ max_body_size: 5 });

/** With its length in the head, or in chunks. */
const post = (body: string, inChunks = false): PluginRequest => ({
  method: 'POST',
  body,
  headers: inChunks
    ? { 'Transfer-Encoding': 'chunked' }
    : { 'Content-Length': String(body.length) },
});

describe('client-control', () => {
  test('refuses a body that says it is over the limit', async () => {
    const run = await runPlugin(plugin, limited, post('123456'));
    expect(run.reply).toEqual({ status: 413 });
    expect(run.upstreamRequest).toBeUndefined();
  });

  test('refuses a body in chunks once it is over the limit', async () => {
    const refused = runPlugin(plugin, limited, post('123456', true));
    await expect(refused).rejects.toThrow(GatewayError);
    await expect(refused).rejects.toMatchObject({ code: 'REQUEST_BODY_TOO_LARGE' });
  });

  test.each([post('12345'), post('12345', true), {}])(
    'lets pass what is not: %j',
    async (request) => {
      const run = await runPlugin(plugin, limited, request);
      expect(run.status).toBe(200);
      expect(run.upstreamRequest?.body?.toString()).toBe(request.body);
    },
  );

  test.each([{}, { max_body_size: 0 }])('has nothing to do with %j', (raw) => {
    const prepared = plugin.prepare?.(conf(raw), {} as never);
    expect(plugin.runsIn?.('rewrite', prepared!)).toBe(false);
  });

  test('refuses a negative limit', () => {
    expect(() => conf({ max_body_size: -1 })).toThrow(
      'property "max_body_size" validation failed: expected -1 to be at least 0',
    );
  });
});
