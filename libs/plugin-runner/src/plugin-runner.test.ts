import { stat, writeFile } from 'node:fs/promises';
import {
  decodeExtraInfoRequest,
  decodeHttpRespCallResponse,
  encodeExtraInfoResponse,
  encodeFrame,
  encodeHttpReqCallRequest,
  encodeHttpRespCallRequest,
  encodePrepareConfRequest,
  ErrorCode,
  FRAME_PAYLOAD_BYTES_MAX,
  FrameType,
} from '@polygate/runner-protocol';
import { describe, expect, test, vi } from 'vitest';
import type { AnyExternalPlugin } from './external-plugin.ts';
import { startPluginRunner } from './plugin-runner.ts';
import addHeader from './sample/add-header.ts';
import { cleanups, log, logged, plugin, socketPath, start } from './started-runner.fixture.ts';
import { TestGateway } from './test-gateway.ts';

const conf = [{ name: 'p', value: 'v' }];
const text = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();

describe('a request call', () => {
  test('shows the plugin what the gateway sent', async () => {
    let seen: unknown;
    const { gateway } = await start([
      plugin((request, value: string) => {
        seen = {
          value,
          method: request.method,
          path: request.path,
          args: [...request.args],
          accept: request.headers.getAll('ACCEPT'),
          remoteAddress: request.remoteAddress,
        };
      }),
    ]);
    gateway.call({
      confToken: await gateway.prepare(conf),
      method: 'PATCH',
      path: '/ä b',
      args: [{ name: 'a' }, { name: 'b', value: '' }, { name: 'b', value: '2' }],
      headers: [
        { name: 'accept', value: 'x' },
        { name: 'accept', value: 'y' },
      ],
      srcIp: Buffer.from('20010db8000000000000000000000001', 'hex'),
    });
    expect(await gateway.result()).toEqual({ id: 1, action: { kind: 'continue' } });
    expect(seen).toEqual({
      value: 'v',
      method: 'PATCH',
      path: '/ä b',
      args: [
        ['a', undefined],
        ['b', ''],
        ['b', '2'],
      ],
      accept: ['x', 'y'],
      remoteAddress: '2001:db8::1',
    });
  });

  test('tells the gateway only what plugins changed, in the order they ran', async () => {
    const { gateway } = await start([
      plugin((request) => {
        request.headers.set('X-A', '1');
        request.headers.delete('Cookie');
        request.args.set('q', ['1', '2']);
        request.path = '/new';
        request.setBody('new body');
        request.setResponseHeader('X-R', ['a', 'b']);
      }),
      plugin((request) => request.headers.append('x-a', request.path), 'second'),
    ]);
    gateway.call({
      confToken: await gateway.prepare([...conf, { name: 'second', value: '' }]),
      headers: [
        { name: 'cookie', value: 'c' },
        { name: 'accept', value: 'x' },
      ],
      args: [{ name: 'other', value: 'o' }],
    });
    const { action } = await gateway.result();
    expect(action).toMatchObject({
      kind: 'rewrite',
      path: '/new',
      headers: [{ name: 'x-a', value: '1, /new' }, { name: 'Cookie' }],
      args: [
        { name: 'q', value: '1' },
        { name: 'q', value: '2' },
      ],
      respHeaders: [
        { name: 'x-r', value: 'a' },
        { name: 'x-r', value: 'b' },
      ],
    });
    expect(action.kind === 'rewrite' && text(action.body)).toBe('new body');
  });

  test('ends at the first plugin that stops it', async () => {
    const after = vi.fn();
    const { gateway } = await start([
      plugin((request) => {
        request.setResponseHeader('X-Early', 'e');
        return { status: 403, headers: { 'Set-Cookie': ['a', 'b'] }, body: 'no' };
      }),
      plugin(after, 'after'),
    ]);
    gateway.call({ confToken: await gateway.prepare([...conf, { name: 'after', value: '' }]) });
    const { action } = await gateway.result();
    expect(action).toMatchObject({
      kind: 'stop',
      status: 403,
      headers: [
        { name: 'x-early', value: 'e' },
        { name: 'set-cookie', value: 'a' },
        { name: 'set-cookie', value: 'b' },
      ],
    });
    expect(action.kind === 'stop' && text(action.body)).toBe('no');
    expect(after).not.toHaveBeenCalled();
  });

  test('gets the answers to questions that were asked at once, each to its own', async () => {
    const { gateway } = await start([
      plugin(async (request) => {
        const [a, b, body, none] = await Promise.all([
          request.variable('a'),
          request.variable('b'),
          request.body(),
          request.variable('none'),
        ]);
        return { status: 200, body: `${a}|${b}|${body.toString()}|${none}` };
      }),
    ]);
    gateway.call({ confToken: await gateway.prepare(conf) });
    const asked = [];
    for (let i = 0; i < 4; i++) {
      const { type, payload } = await gateway.receive();
      expect(type).toBe(FrameType.EXTRA_INFO);
      asked.push(decodeExtraInfoRequest(payload));
    }
    expect(asked).toEqual([
      { kind: 'variable', name: 'a' },
      { kind: 'variable', name: 'b' },
      { kind: 'requestBody' },
      { kind: 'variable', name: 'none' },
    ]);
    for (const answer of ['1', '2', 'body', undefined]) {
      const result = answer === undefined ? undefined : Buffer.from(answer);
      gateway.send(FrameType.EXTRA_INFO, encodeExtraInfoResponse({ result }));
    }
    const { action } = await gateway.result();
    expect(action.kind === 'stop' && text(action.body)).toBe('1|2|body|undefined');
  });

  test('is answered after the answer to a question that the plugin did not wait for', async () => {
    const { gateway } = await start([plugin((request) => void request.variable('a'))]);
    const confToken = await gateway.prepare(conf);
    for (const id of [1, 2]) {
      gateway.call({ id, confToken });
      expect((await gateway.receive()).type).toBe(FrameType.EXTRA_INFO);
      gateway.send(FrameType.EXTRA_INFO, encodeExtraInfoResponse({ result: undefined }));
      expect(await gateway.result()).toMatchObject({ id });
    }
  });

  test('carries bodies up to the limit of a frame and fails above it', async () => {
    let bodyBytes = 0;
    const { gateway } = await start([
      plugin(() => ({ status: 200, body: Buffer.alloc(bodyBytes, 'x') })),
    ]);
    const confToken = await gateway.prepare(conf);
    gateway.call({ confToken });
    await gateway.result();
    bodyBytes = FRAME_PAYLOAD_BYTES_MAX - 1_024;
    gateway.call({ confToken });
    const { action } = await gateway.result();
    expect(action.kind === 'stop' && action.body.length).toBe(bodyBytes);
    bodyBytes = FRAME_PAYLOAD_BYTES_MAX + 1;
    gateway.call({ confToken });
    expect(await gateway.errorCode()).toBe(ErrorCode.SERVICE_UNAVAILABLE);
    expect(logged).toContainEqual(expect.stringMatching(/the max length of data is 16777215 but/));
    bodyBytes = 1;
    gateway.call({ confToken });
    expect(await gateway.result()).toMatchObject({ action: { kind: 'stop' } });
  });

  test('gets a body that fills a frame to the last byte', async () => {
    let seenBytes = 0;
    const { gateway } = await start([
      plugin(async (request) => {
        seenBytes = (await request.body()).length;
      }),
    ]);
    gateway.call({ confToken: await gateway.prepare(conf) });
    await gateway.receive();
    const result = Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX - 64, 'x');
    const payload = Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX);
    payload.set(encodeExtraInfoResponse({ result }));
    gateway.send(FrameType.EXTRA_INFO, payload);
    expect(await gateway.result()).toMatchObject({ action: { kind: 'continue' } });
    expect(seenBytes).toBe(result.length);
  });

  test('may come in pieces of any size', async () => {
    const { gateway } = await start([plugin(() => ({ status: 204 }))]);
    const confToken = await gateway.prepare(conf);
    const init = { id: 9, srcIp: Buffer.alloc(4), method: 'GET', path: '/', args: [], headers: [] };
    const payload = encodeHttpReqCallRequest({ ...init, confToken });
    for (const byte of encodeFrame(FrameType.HTTP_REQ_CALL, payload)) {
      gateway.socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    expect(await gateway.result()).toMatchObject({ id: 9, action: { kind: 'stop', status: 204 } });
  });

  test('does not wait for a call on another connection', async () => {
    const { gateway, connect } = await start([
      plugin(async (request) => {
        await request.variable('blocks');
      }),
      plugin(() => undefined, 'quick'),
    ]);
    gateway.call({ confToken: await gateway.prepare(conf) });
    await gateway.receive();
    const other = await connect();
    other.call({ confToken: await other.prepare([{ name: 'quick', value: '' }], 'quick') });
    expect(await other.result()).toMatchObject({ action: { kind: 'continue' } });
  });
});

describe('a plugin that fails', () => {
  test.each<[string, NonNullable<AnyExternalPlugin['request']>]>([
    ['throws', () => { throw new Error('broken'); }], // prettier-ignore
    ['rejects', () => Promise.reject(new Error('broken'))],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
    ['rejects with something that is no error', () => Promise.reject({ broken: 'broken' })],
    ['sets a path without slash', (request) => void (request.path = 'broken')],
    ['answers with a bad status', () => ({ status: 99, body: 'broken' })],
  ])('and %s gets "service unavailable" and a log line', async (_, request) => {
    const { gateway } = await start([plugin(request), plugin(() => undefined, 'good')]);
    gateway.call({ confToken: await gateway.prepare(conf) });
    expect(await gateway.errorCode()).toBe(ErrorCode.SERVICE_UNAVAILABLE);
    expect(logged).toContainEqual(expect.stringContaining('plugin p failed'));
    gateway.call({ confToken: await gateway.prepare([{ name: 'good', value: '' }], 'good') });
    expect(await gateway.result()).toMatchObject({ action: { kind: 'continue' } });
  });

  test('and takes too long is cut off, with its connection', async () => {
    let signal: AbortSignal | undefined;
    const { gateway } = await start(
      [
        plugin((request) => {
          signal = request.signal;
          return new Promise(() => undefined);
        }),
      ],
      { callTimeoutMs: 20 },
    );
    gateway.call({ confToken: await gateway.prepare(conf) });
    expect(await gateway.errorCode()).toBe(ErrorCode.SERVICE_UNAVAILABLE);
    await gateway.closed;
    expect(signal?.aborted).toBe(true);
  });

  test('sees its question rejected when the gateway goes away', async () => {
    let failure: unknown;
    const { gateway } = await start([
      plugin(async (request) => {
        await request.variable('a').catch((error: unknown) => (failure = error));
      }),
    ]);
    gateway.call({ confToken: await gateway.prepare(conf) });
    await gateway.receive();
    gateway.socket.destroy();
    await vi.waitFor(() =>
      expect(failure).toMatchObject({ message: 'the gateway closed the connection' }),
    );
  });
});

describe('a conf', () => {
  test('gets the same token for the same key, and another for another conf', async () => {
    const prepare = vi.fn((value: string) => value);
    const { gateway, connect } = await start([{ name: 'p', prepare, request: () => undefined }]);
    const token = await gateway.prepare(conf, 'k');
    expect(await (await connect()).prepare(conf, 'k')).toBe(token);
    expect(prepare).toHaveBeenCalledOnce();
    expect(await gateway.prepare(conf, 'other')).not.toBe(token);
    expect(await gateway.prepare([{ name: 'p', value: 'w' }], 'k')).not.toBe(token);
  });

  test('is not found under a token that was never given', async () => {
    const { gateway } = await start([plugin(() => undefined)]);
    gateway.call({ confToken: 0 });
    expect(await gateway.errorCode()).toBe(ErrorCode.CONF_TOKEN_NOT_FOUND);
  });

  test('is forgotten when it was not used for its time', async () => {
    const { gateway } = await start([plugin(() => undefined)], { confTtlMs: 1 });
    const confToken = await gateway.prepare(conf);
    await new Promise((resolve) => setTimeout(resolve, 5));
    gateway.call({ confToken });
    expect(await gateway.errorCode()).toBe(ErrorCode.CONF_TOKEN_NOT_FOUND);
  });

  test('gives way to newer ones when there are too many', async () => {
    const { gateway } = await start([plugin(() => undefined)], { confsMax: 2 });
    const tokens = [await gateway.prepare(conf, '1'), await gateway.prepare(conf, '2')];
    gateway.call({ confToken: tokens[0]! });
    await gateway.result();
    tokens.push(await gateway.prepare(conf, '3'));
    gateway.call({ confToken: tokens[1]! });
    expect(await gateway.errorCode()).toBe(ErrorCode.CONF_TOKEN_NOT_FOUND);
    for (const confToken of [tokens[0]!, tokens[2]!]) {
      gateway.call({ confToken });
      expect(await gateway.result()).toMatchObject({ action: { kind: 'continue' } });
    }
  });

  test.each([
    ['names an unknown plugin', [{ name: 'typo', value: '' }]],
    ['names one among known ones', [...conf, { name: 'typo', value: '' }]],
    ['cannot be parsed', [{ name: 'add-header', value: '{' }]],
    ['has the wrong shape', [{ name: 'add-header', value: '{"a":1}' }]],
  ])('that %s is refused', async (_, bad) => {
    const { gateway } = await start([plugin(() => undefined), addHeader]);
    gateway.send(FrameType.PREPARE_CONF, encodePrepareConfRequest({ conf: bad, key: 'k' }));
    expect(await gateway.errorCode()).toBe(ErrorCode.BAD_REQUEST);
    expect(logged).toHaveLength(1);
    expect(await gateway.prepare(conf, 'k')).toBeGreaterThan(0);
  });
});

describe('a response call', () => {
  const respCall = (confToken: number) =>
    encodeHttpRespCallRequest({
      id: 5,
      status: 200,
      headers: [
        { name: 'content-type', value: 'text/plain' },
        { name: 'content-length', value: '3' },
        { name: 'set-cookie', value: 'a' },
        { name: 'set-cookie', value: 'b' },
      ],
      confToken,
    });

  test('lets a plugin change status, headers and body', async () => {
    const { gateway } = await start([
      {
        name: 'p',
        async response(response) {
          response.setBody(`${(await response.body()).toString()}!`);
          response.status = 201;
          response.headers.set('X-A', '1');
        },
      },
    ]);
    gateway.send(FrameType.HTTP_RESP_CALL, respCall(await gateway.prepare(conf)));
    const question = await gateway.receive();
    expect(decodeExtraInfoRequest(question.payload)).toEqual({ kind: 'responseBody' });
    gateway.send(FrameType.EXTRA_INFO, encodeExtraInfoResponse({ result: Buffer.from('abc') }));
    const { type, payload } = await gateway.receive();
    expect(type).toBe(FrameType.HTTP_RESP_CALL);
    const reply = decodeHttpRespCallResponse(payload);
    expect(reply).toMatchObject({
      id: 5,
      status: 201,
      headers: [
        { name: 'content-type', value: 'text/plain' },
        { name: 'set-cookie', value: 'a' },
        { name: 'set-cookie', value: 'b' },
        { name: 'X-A', value: '1' },
      ],
    });
    expect(text(reply.body)).toBe('abc!');
  });

  test('keeps all headers when no plugin changes anything', async () => {
    const { gateway } = await start([plugin(() => undefined)]);
    gateway.send(FrameType.HTTP_RESP_CALL, respCall(await gateway.prepare(conf)));
    const reply = decodeHttpRespCallResponse((await gateway.receive()).payload);
    expect(reply.status).toBe(0);
    expect(reply.body).toHaveLength(0);
    expect(reply.headers.map(({ name }) => name)).toEqual([
      'content-type',
      'set-cookie',
      'set-cookie',
    ]);
  });
});

describe('bytes that are no protocol', () => {
  const frame = (type: number, bytes: number[]) => encodeFrame(type, Buffer.from(bytes));
  test.each([
    ['a frame of unknown type', frame(9, [])],
    ['an empty request call', frame(FrameType.HTTP_REQ_CALL, [])],
    ['offsets that lead nowhere', frame(FrameType.PREPARE_CONF, [255, 255, 255, 255])],
    ['an answer that nobody asked for', frame(FrameType.EXTRA_INFO, [4, 0, 0, 0, 0, 0, 0, 0])],
    ['an error frame', frame(FrameType.ERROR, [1])],
  ])('(%s) close the connection and no other', async (_, bytes) => {
    const { gateway, connect } = await start([plugin(() => undefined)]);
    const good = await connect();
    gateway.socket.write(bytes);
    expect(await gateway.errorCode()).toBe(ErrorCode.BAD_REQUEST);
    await gateway.closed;
    good.call({ confToken: await good.prepare(conf) });
    expect(await good.result()).toMatchObject({ action: { kind: 'continue' } });
  });

  test('close the connection too when they come in the middle of a call', async () => {
    const { gateway } = await start([
      plugin(async (request) => {
        await request.variable('a');
      }),
    ]);
    gateway.call({ confToken: await gateway.prepare(conf) });
    await gateway.receive();
    for (let i = 0; i < 20; i++) gateway.call({});
    expect(await gateway.errorCode()).toBe(ErrorCode.BAD_REQUEST);
    await gateway.closed;
  });
});

describe('the socket', () => {
  test('is for its user alone unless told otherwise', async () => {
    const { path } = await start([]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const open = await start([], { socketMode: 0o666 });
    expect((await stat(open.path)).mode & 0o777).toBe(0o666);
  });

  test('replaces one that was left behind, and stays when a predecessor closes', async () => {
    const { path, runner } = await start([plugin(() => undefined)]);
    const successor = await startPluginRunner({
      plugins: [addHeader],
      listen: `unix:${path}`,
      log,
    });
    cleanups.push(() => successor.close(0));
    await runner.close(0);
    const gateway = await TestGateway.connect(path);
    cleanups.push(() => gateway.socket.destroy());
    expect(await gateway.prepare([{ name: 'add-header', value: '' }])).toBeGreaterThan(0);
    await successor.close();
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('is not made where another file is', async () => {
    const path = socketPath();
    await writeFile(path, 'precious');
    await expect(startPluginRunner({ plugins: [], listen: `unix:${path}`, log })).rejects.toThrow(
      'is not a socket',
    );
    expect((await stat(path)).size).toBe(8);
  });

  test.each([undefined, '', '127.0.0.1:9', 'unix:relative'])(
    'is not made at %s',
    async (listen) => {
      vi.stubEnv('APISIX_LISTEN_ADDRESS', listen);
      cleanups.push(() => vi.unstubAllEnvs());
      await expect(startPluginRunner({ plugins: [], log })).rejects.toThrow(
        'APISIX_LISTEN_ADDRESS',
      );
    },
  );

  test('closes after the calls that run', async () => {
    const { gateway, runner, connect } = await start([
      plugin(async (request) => ({ status: 200, body: (await request.variable('a')) ?? '' })),
    ]);
    const idle = await connect();
    gateway.call({ confToken: await gateway.prepare(conf) });
    await gateway.receive();
    const closed = runner.close(10_000);
    await idle.closed;
    gateway.send(FrameType.EXTRA_INFO, encodeExtraInfoResponse({ result: Buffer.from('late') }));
    const { action } = await gateway.result();
    expect(action.kind === 'stop' && text(action.body)).toBe('late');
    await closed;
  });
});

test('two plugins of one name are refused', async () => {
  await expect(
    startPluginRunner({ plugins: [addHeader, addHeader], listen: `unix:${socketPath()}`, log }),
  ).rejects.toThrow('two plugins are called add-header');
});
