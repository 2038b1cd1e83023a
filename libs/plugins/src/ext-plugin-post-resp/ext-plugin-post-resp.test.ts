import { GatewayError } from '@polygate/plugin-sdk';
import { memoryExternalPlugins, mountPlugin, runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './ext-plugin-post-resp.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);
const plugins = [{ name: 'say', value: '{"body":"hi"}' }];
const failing = (code: GatewayError['code']) => () => {
  throw new GatewayError(code, 'the reason');
};

describe('ext-plugin-post-resp', () => {
  test('shows an upstream’s answer to the runner, which changes it', async () => {
    const external = memoryExternalPlugins(async ({ response }) => {
      const body = await response.readBody();
      response.status = 201;
      response.setBody(Buffer.from(`${body.toString()}!`));
      return undefined;
    });
    const upstream = { body: ['he', 'llo'] };
    const run = await runPlugin(plugin, conf({ conf: plugins }), { upstream }, { external });
    expect(run).toMatchObject({ status: 201, text: 'hello!', reply: undefined });
    expect(external.calls).toHaveLength(1);
  });

  test('does not run for answers of the gateway itself', async () => {
    const external = memoryExternalPlugins();
    const run = await runPlugin(plugin, conf(), { upstream: null }, { external });
    expect(run.status).toBe(502);
    expect(external.calls).toEqual([]);
  });

  test('answers 503 when the runner fails, or what its policy says', async () => {
    const external = memoryExternalPlugins(failing('RUNNER_TIMEOUT'));
    const run = await runPlugin(plugin, conf(), {}, { external });
    expect(run.status).toBe(503);
    expect(run.log).toEqual(['error: the reason']);
    const strict = conf({ failure_policy: { status: 504, allow: ['unavailable'] } });
    expect((await runPlugin(plugin, strict, {}, { external })).status).toBe(504);
  });

  test.each([
    ['RUNNER_UNAVAILABLE', 'unavailable'],
    ['RUNNER_OVERLOADED', 'overloaded'],
    ['RUNNER_CIRCUIT_OPEN', 'circuit_open'],
    ['RUNNER_TIMEOUT', 'timeout'],
    ['RUNNER_FAILED', 'failed'],
  ] as const)('passes over %s where %s is allowed, and nothing else', async (code, kind) => {
    const external = memoryExternalPlugins(failing(code));
    const allowing = conf({ failure_policy: { allow: [kind] } });
    const run = await runPlugin(plugin, allowing, {}, { external });
    expect(run).toMatchObject({ status: 200, text: 'hello world\n' });
    const others = ['unavailable', 'overloaded', 'circuit_open', 'timeout', 'failed'];
    const allow = others.filter((other) => other !== kind);
    const refusing = conf({ failure_policy: { allow } });
    expect((await runPlugin(plugin, refusing, {}, { external })).status).toBe(503);
  });

  test('hands on how far calls may go', () => {
    const external = memoryExternalPlugins();
    const failure_policy = {
      timeout_ms: 200,
      retries: 2,
      in_flight_max: 10,
      breaker: { failures: 3 },
      request_body_bytes_max: 1000,
      response_body_bytes_max: 2000,
    };
    mountPlugin(plugin, conf({ failure_policy }), { external });
    expect(external.held[0]?.policy).toEqual({
      timeoutMs: 200,
      retries: 2,
      inFlightMax: 10,
      breaker: { failures: 3, windowMs: 10_000, openMs: 5_000 },
      requestBodyBytesMax: 1000,
      responseBodyBytesMax: 2000,
    });
  });

  test('lets runners forget a conf that is gone', () => {
    const external = memoryExternalPlugins();
    const mounted = mountPlugin(plugin, conf({ conf: plugins }), { external });
    expect(external.held).toHaveLength(1);
    mounted.dispose();
    expect(external.held).toEqual([]);
  });

  test.each([
    [{ conf: [{ name: 'a', value: '', runner: 'Bad Name' }] }, 'property "runner"'],
    [{ failure_policy: { timeout_ms: 0 } }, 'property "timeout_ms"'],
    [{ failure_policy: { status: 200 } }, 'property "status"'],
    [{ failure_policy: { allow: ['never'] } }, 'property "allow"'],
    [{ failure_policy: { retry: 1 } }, 'additional properties forbidden'],
    [{ failure_policy: { breaker: { failures: 0 } } }, 'property "breaker"'],
    [{ failure_policy: { request_body_bytes_max: 0x100_0000 } }, 'request_body_bytes_max'],
  ])('refuses %j and names the field', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
