import {
  encodeExtraInfoResponse,
  encodePrepareConfRequest,
  decodeErrorResponse,
  ErrorCode,
  FrameType,
} from '@polygate/runner-protocol';
import { describe, expect, test } from 'vitest';
import type { AnyExternalPlugin } from './external-plugin.ts';
import addHeader from './sample/add-header.ts';
import { logged, plugin, start } from './started-runner.fixture.ts';
import type { TestGateway } from './test-gateway.ts';

const conf = [{ name: 'p', value: 'v' }];
const text = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();

describe('other plugins', () => {
  const says = (body: string, schema?: object): AnyExternalPlugin =>
    ({ name: 'p', request: () => ({ body }), ...(schema && { schema }) }) as AnyExternalPlugin;
  const bodyOf = async (gateway: TestGateway, confToken: number) => {
    gateway.call({ confToken });
    const { action } = await gateway.result();
    return action.kind === 'stop' && text(action.body);
  };

  test('serve the confs that gateways hold tokens of, and new ones', async () => {
    const { gateway, runner } = await start([says('old')]);
    const confToken = await gateway.prepare(conf, 'k');
    expect(await bodyOf(gateway, confToken)).toBe('old');
    runner.replacePlugins([says('new')]);
    expect(await bodyOf(gateway, confToken)).toBe('new');
    expect(await gateway.prepare(conf, 'k')).toBe(confToken);
    expect(await bodyOf(gateway, await gateway.prepare(conf, 'other'))).toBe('new');
  });

  test('that refuse a running conf leave it as it was, and refuse it anew', async () => {
    const { gateway, runner } = await start([says('old')]);
    const confToken = await gateway.prepare(conf, 'k');
    runner.replacePlugins([says('new', { type: 'object', required: ['a'] })]);
    expect(logged).toContainEqual(expect.stringMatching(/a conf stays .* plugin p is no JSON/));
    expect(await bodyOf(gateway, confToken)).toBe('old');
    gateway.send(FrameType.PREPARE_CONF, encodePrepareConfRequest({ conf, key: 'other' }));
    expect(await gateway.errorCode()).toBe(ErrorCode.BAD_REQUEST);
  });

  test('that are none change nothing', async () => {
    const { gateway, runner } = await start([says('old')]);
    expect(() => runner.replacePlugins([says('a'), says('b')])).toThrow('two plugins');
    expect(await bodyOf(gateway, await gateway.prepare(conf))).toBe('old');
  });
});

describe('limits', () => {
  test('on calls at once have more of them wait for their turn', async () => {
    let running = 0;
    let most = 0;
    const slow = plugin(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
    });
    const { gateway, connect } = await start([slow], { callsMax: 2 });
    const confToken = await gateway.prepare(conf);
    const gateways = await Promise.all(Array.from({ length: 12 }, connect));
    for (const [i, other] of gateways.entries()) other.call({ id: i + 1, confToken });
    const results = await Promise.all(gateways.map((other) => other.result()));
    expect(results.map(({ id }) => id)).toEqual(gateways.map((_, i) => i + 1));
    expect(most).toBe(2);
  });

  test('on waiting end a call that never got its turn, and the next gets it', async () => {
    const hangs = plugin((_, value: string) =>
      value === 'hangs' ? new Promise(() => undefined) : undefined,
    );
    const { gateway, connect } = await start([hangs], { callsMax: 1, callTimeoutMs: 60 });
    const hanging = await gateway.prepare([{ name: 'p', value: 'hangs' }], 'hangs');
    const confToken = await gateway.prepare(conf, 'good');
    gateway.call({ confToken: hanging });
    const late = await connect();
    late.call({ confToken });
    expect(await gateway.errorCode()).toBe(ErrorCode.SERVICE_UNAVAILABLE);
    await late.receive();
    const next = await connect();
    next.call({ confToken });
    expect(await next.result()).toMatchObject({ action: { kind: 'continue' } });
  });

  test('on a body fail the call of a plugin that asks for a larger one', async () => {
    const { gateway } = await start([plugin(async (request) => ({ body: await request.body() }))], {
      bodyBytesMax: 3,
    });
    const confToken = await gateway.prepare(conf);
    for (const [body, type] of [
      ['abc', FrameType.HTTP_REQ_CALL],
      ['abcd', FrameType.ERROR],
    ] as const) {
      gateway.call({ confToken });
      await gateway.receive();
      gateway.send(FrameType.EXTRA_INFO, encodeExtraInfoResponse({ result: Buffer.from(body) }));
      expect((await gateway.receive()).type).toBe(type);
    }
    expect(logged).toContainEqual(expect.stringContaining('the body has 4 bytes, over 3'));
  });
});

test('a question is asked once a call', async () => {
  const { gateway } = await start([
    plugin(async (request) => {
      await Promise.all([request.variable('a'), request.variable('a'), request.body()]);
      await Promise.all([request.variable('a'), request.body()]);
    }),
  ]);
  gateway.call({ confToken: await gateway.prepare(conf) });
  for (let i = 0; i < 2; i++) {
    expect((await gateway.receive()).type).toBe(FrameType.EXTRA_INFO);
    gateway.send(FrameType.EXTRA_INFO, encodeExtraInfoResponse({ result: Buffer.from('1') }));
  }
  expect(await gateway.result()).toMatchObject({ action: { kind: 'continue' } });
});

test('what is wrong with a conf is said to the gateway', async () => {
  const { gateway } = await start([addHeader]);
  const bad = [{ name: 'add-header', value: '{"X-A":1}' }];
  gateway.send(FrameType.PREPARE_CONF, encodePrepareConfRequest({ conf: bad, key: 'k' }));
  expect(decodeErrorResponse((await gateway.receive()).payload)).toEqual({
    code: ErrorCode.BAD_REQUEST,
    message: expect.stringMatching(/^the conf of plugin add-header is bad: .*string.*number/),
  });
});

test('lines of a call carry its trace id', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const { gateway } = await start([
    plugin((request) => {
      request.log.warn('careful');
      throw new Error('broken');
    }),
  ]);
  const confToken = await gateway.prepare(conf);
  const traceparent = { name: 'traceparent', value: `00-${traceId}-00f067aa0ba902b7-01` };
  gateway.call({ confToken, headers: [traceparent] });
  await gateway.errorCode();
  gateway.call({ confToken, headers: [{ name: 'x-request-id', value: 'r-1' }] });
  await gateway.errorCode();
  gateway.call({ confToken, headers: [{ name: 'x-request-id', value: 'a\nforged' }] });
  await gateway.errorCode();
  expect(logged.filter((line) => line.includes('careful'))).toEqual([
    `trace_id=${traceId} careful`,
    'request_id=r-1 careful',
    'careful',
  ]);
  expect(logged[1]).toMatch(`trace_id=${traceId} plugin p failed`);
});
