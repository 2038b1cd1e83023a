import { GatewayError } from '@polygate/plugin-sdk';
import { memoryExternalPlugins, runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './ext-plugin-post-req.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);
const plugins = [{ name: 'say', value: '{"body":"hi"}' }];
const broken = () => {
  throw new GatewayError('RUNNER_UNAVAILABLE', 'failed to connect to the unix socket');
};

describe('ext-plugin-post-req', () => {
  test('asks the runner with its confs under a key of its own', async () => {
    const external = memoryExternalPlugins();
    const source = { kind: 'service', id: '7', modifiedIndex: 42 };
    const run = await runPlugin(plugin, conf({ conf: plugins }), {}, { external, source });
    expect(run.reply).toBeUndefined();
    expect(external.calls).toEqual([
      {
        key: 'service#7#ext-plugin-post-req#42',
        owner: 'service#7#ext-plugin-post-req',
        plugins,
        policy: {},
      },
    ]);
  });

  test('runs in the access phase', () => {
    expect(Object.keys(plugin)).toEqual(['definition', 'prepare', 'dispose', 'access']);
  });

  test('answers with what the runner stops the request with', async () => {
    const external = memoryExternalPlugins(() => ({ status: 405, body: 'stop' }));
    const run = await runPlugin(plugin, conf({ conf: plugins }), {}, { external });
    expect(run.status).toBe(405);
    expect(run.text).toBe('stop');
  });

  test('lets through what the runner rewrote', async () => {
    const external = memoryExternalPlugins((ctx) => {
      ctx.request.headers.set('X-Runner', 'was here');
      return undefined;
    });
    const run = await runPlugin(plugin, conf({ conf: plugins }), {}, { external });
    expect(run.upstreamRequest?.headers.get('X-Runner')).toBe('was here');
  });

  test('answers 503 without a body when the runner fails', async () => {
    const external = memoryExternalPlugins(broken);
    const run = await runPlugin(plugin, conf({ conf: plugins }), {}, { external });
    expect(run.reply).toEqual({ status: 503 });
    expect(run.log).toEqual(['error: failed to connect to the unix socket']);
  });

  test('goes on without the runner when it may degrade', async () => {
    const external = memoryExternalPlugins(broken);
    const degrading = conf({ conf: plugins, allow_degradation: true });
    const run = await runPlugin(plugin, degrading, {}, { external });
    expect(run.reply).toBeUndefined();
    expect(run.log).toContain('warn: Plugin Runner is wrong, allow degradation');
  });

  test('does not take a fault of the client for one of the runner', async () => {
    const external = memoryExternalPlugins(() => {
      throw new GatewayError('REQUEST_BODY_TOO_LARGE', 'too large');
    });
    const degrading = conf({ allow_degradation: true });
    await expect(runPlugin(plugin, degrading, {}, { external })).rejects.toThrow('too large');
  });

  test('takes a conf without any plugin, but none without a name', () => {
    expect(conf()).toEqual({ allow_degradation: false });
    expect(() => conf({ conf: [] })).toThrow('expect array to have at least 1 items');
    expect(() => conf({ conf: [{ name: '', value: '' }] })).toThrow(
      'property "conf" validation failed: failed to validate item 1: ' +
        'property "name" validation failed: string too short, expected at least 1, got 0',
    );
  });
});
