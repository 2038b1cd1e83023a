import type { DataPlaneFrame, Entry, ManagerFrame, ResponseCall } from '@polygate/rpc';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, request, runGateway } from './gateway.harness.ts';
import type { RunningGateway } from './gateway.harness.ts';
import {
  continueFrame,
  startScriptedManager,
  type ScriptedManager,
} from './runner/scripted-manager.ts';
import { connectRaw, startRawNode, startScriptedNode, upstreamOf } from './server/http1.harness.ts';
import type { RawClient, RawNode } from './server/http1.harness.ts';

let gateway: RunningGateway;
let manager: ScriptedManager;
let client: RawClient;
const nodes: RawNode[] = [];

beforeAll(async () => {
  gateway = await runGateway({ limits: 'buffered_body_bytes_max: 2m' });
  manager = await startScriptedManager(`unix:${gateway.folder}/runner-manager.sock`);
  await eventually(() => manager.openStreams > 0);
});
afterAll(async () => {
  await gateway.stop();
  await manager.stop();
});

interface Change {
  readonly status?: number;
  readonly headers?: Entry[];
  readonly body?: string;
}
type ManagerAnswer = ManagerFrame['frame'];

const change = ({ status = 0, headers = [], body = '' }: Change): ManagerAnswer => ({
  $case: 'responseResult',
  value: { status, headers, body: Buffer.from(body) },
});
const failure: ManagerAnswer = {
  $case: 'callFailure',
  value: { reason: 1, message: 'failed to connect to the unix socket' },
};
const bodyQuestion: ManagerAnswer = {
  $case: 'extraInfoQuestion',
  value: { info: { $case: 'responseBody', value: {} } },
};

let calls: ResponseCall[];
let askedBodies: (number | undefined)[];
beforeEach(() => {
  calls = [];
  askedBodies = [];
});
afterEach(async () => {
  client.socket.destroy();
  for (const node of nodes.splice(0)) await node.close();
});

/** Answers each response call: asks for the body first where `asks`. */
function script(answer: (call: number) => ManagerAnswer, asks = false): void {
  const reply = (callId: number, send: (frames: ManagerFrame[]) => void): void =>
    send([{ callId, frame: answer(calls.length) }]);
  manager.onMessage = (frames: readonly DataPlaneFrame[], send) => {
    for (const { callId, frame } of frames) {
      if (frame?.$case === 'responseCall') {
        calls.push(frame.value);
        const { known } = frame.value;
        if (known?.responseBody !== undefined) askedBodies.push(known.responseBody.length);
        if (asks && known?.responseBody === undefined) send([{ callId, frame: bodyQuestion }]);
        else reply(callId, send);
      } else if (frame?.$case === 'extraInfoAnswer') {
        askedBodies.push(frame.value.result?.length);
        reply(callId, send);
      }
    }
  };
}

async function serve(
  answer: Parameters<typeof startScriptedNode>[0],
  { conf = {}, upstream = {} }: { readonly conf?: object; readonly upstream?: object } = {},
): Promise<RawNode> {
  const node = await startScriptedNode(answer);
  nodes.push(node);
  await gateway.put('/routes/r', {
    uri: '/r',
    upstream: { ...upstreamOf(node.node), ...upstream },
    plugins: {
      'ext-plugin-post-resp': { conf: [{ name: 'p', value: '1' }], ...conf },
    },
  });
  client = await connectRaw(gateway.port);
  return node;
}

const get = (method = 'GET'): string => `${method} /r HTTP/1.1\r\nHost: a\r\n\r\n`;
const OK =
  'HTTP/1.1 200 OK\r\nContent-Type: text/x-own\r\nX-Node: 1\r\nContent-Length: 5\r\n\r\nhello';

describe('ext-plugin-post-resp', () => {
  test('shows status and headers, and leaves an answer as it is', async () => {
    script(() => change({}));
    await serve(() => OK);
    const reply = await client.ask(get());
    expect(reply).toMatchObject({ status: 200, body: 'hello' });
    expect(reply.headers.get('content-type')).toBe('text/x-own');
    expect(reply.headers.get('content-length')).toBe('5');
    expect(calls[0]).toMatchObject({
      status: 200,
      headers: expect.arrayContaining([{ name: 'X-Node', value: '1' }]),
      conf: { key: expect.stringMatching(/^route#r#ext-plugin-post-resp#\d+$/) },
      retries: 1,
    });
  });

  test('changes status and body', async () => {
    script(() => change({ status: 418, body: 'a teapot' }));
    await serve(() => OK);
    const reply = await client.ask(get());
    expect(reply).toMatchObject({ status: 418, body: 'a teapot' });
    expect(reply.headers.get('content-length')).toBe('8');
  });

  test('puts the runner’s headers in the place of all others, framing excepted', async () => {
    script(() =>
      change({
        headers: [
          { name: 'X-Same', value: 'one' },
          { name: 'Content-Length', value: '99' },
          { name: 'x-same', value: 'two' },
          { name: 'Connection', value: 'close' },
          { name: 'X-Bad', value: 'a\r\nb' },
        ],
      }),
    );
    await serve(() => OK);
    const reply = await client.ask(get());
    expect(reply.body).toBe('hello');
    expect(reply.headers.get('x-same')).toBe('one, two');
    expect(reply.headers.get('x-bad')).toBe('a%0D%0Ab');
    expect(reply.headers.get('content-length')).toBe('5');
    expect(reply.headers.has('x-node')).toBe(false);
    expect(reply.headers.get('connection')).not.toBe('close');
  });

  test('keeps connections to nodes, and those of clients', async () => {
    script(() => change({ status: 201 }));
    const node = await serve(() => OK);
    for (let i = 0; i < 5; i++) expect((await client.ask(get())).status).toBe(201);
    expect(node.connections).toHaveLength(1);
  });

  test('answers HEAD, 204 and 304 without a body', async () => {
    script(() => change({ body: 'not to be sent' }));
    const heads = ['200 OK', '204 No Content', '304 Not Modified'];
    await serve((i) => (i > 3 ? OK : `HTTP/1.1 ${heads[i - 1]}\r\nX-Node: ${i}\r\n\r\n`));
    expect((await client.ask(get('HEAD'), true)).status).toBe(200);
    expect((await client.ask(get())).status).toBe(204);
    expect((await client.ask(get())).status).toBe(304);
    // what the connection is used for next shows that nothing else was sent
    script(() => change({ status: 404, body: 'sent' }));
    expect(await client.ask(get())).toMatchObject({ status: 404, body: 'sent' });
  });

  test('makes a 304 of an answer with a body', async () => {
    script(() => change({ status: 304 }));
    await serve(() => OK);
    expect((await client.ask(get())).status).toBe(304);
    script(() => change({}));
    expect(await client.ask(get())).toMatchObject({ status: 200, body: 'hello' });
  });

  test('gives a runner the whole body, and sends it ahead the next time', async () => {
    script(() => change({}), true);
    await serve(() => OK);
    for (let i = 0; i < 3; i++) expect((await client.ask(get())).body).toBe('hello');
    expect(askedBodies).toEqual([5, 5, 5]);
    expect(calls.map(({ known }) => known?.responseBody?.toString())).toEqual([
      undefined,
      'hello',
      'hello',
    ]);
  });

  test('passes a large body through, asked for or not, also to a slow client', async () => {
    const big = 'x'.repeat(1_500_000);
    const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big}`;
    await serve(() => answer);
    for (const asks of [true, false]) {
      script(() => change({}), asks);
      client.socket.pause();
      client.send(get());
      await eventually(() => calls.length === (asks ? 1 : 2));
      client.socket.resume();
      expect((await client.reply()).body.length).toBe(big.length);
    }
    expect(askedBodies).toEqual([big.length]);
  });

  test('gives a runner the request body, which has gone to the node already', async () => {
    const bodies: (string | undefined)[] = [];
    const info = { $case: 'requestBody', value: {} } as const;
    manager.onMessage = (frames, send) => {
      for (const { callId, frame } of frames) {
        if (frame?.$case === 'responseCall') {
          send([{ callId, frame: { $case: 'extraInfoQuestion', value: { info } } }]);
        } else if (frame?.$case === 'extraInfoAnswer') {
          bodies.push(frame.value.result?.toString());
          send([{ callId, frame: change({}) }]);
        }
      }
    };
    const node = await startRawNode(({ socket, text }) => {
      if (text.endsWith('the body')) socket.write(OK);
    });
    nodes.push(node);
    await serve(() => OK, { upstream: upstreamOf(node.node) });
    client.send('POST /r HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n');
    await eventually(() => node.connections.some(({ text }) => text.includes('POST')));
    for (const piece of ['the ', 'body']) {
      client.send(piece);
      await eventually(() => node.connections.some(({ text }) => text.endsWith(piece)));
    }
    expect((await client.reply()).body).toBe('hello');
    expect(bodies).toEqual(['the body']);
  });

  test('answers 502 where a body that is asked for is over the limit', async () => {
    script(() => change({}), true);
    const conf = { failure_policy: { response_body_bytes_max: 4 } };
    await serve(() => OK, { conf: { ...conf, allow_degradation: true } });
    expect((await client.ask(get())).status).toBe(502);
  });

  test('answers 503 where the runner fails, or what the node said', async () => {
    script(() => failure);
    const node = await serve(() => OK);
    expect((await client.ask(get())).status).toBe(503);
    await gateway.put('/routes/r', {
      uri: '/r',
      upstream: upstreamOf(node.node),
      plugins: { 'ext-plugin-post-resp': { allow_degradation: true } },
    });
    expect(await client.ask(get())).toMatchObject({ status: 200, body: 'hello' });
  });

  test('goes to the next node where one hangs up, and asks the runner once', async () => {
    script(() => change({ status: 202 }));
    const dead = await startScriptedNode((_, __, connection) => void connection.socket.destroy());
    nodes.push(dead);
    const node = await startScriptedNode(() => OK);
    nodes.push(node);
    await serve(() => OK, { upstream: upstreamOf(dead.node, node.node) });
    for (let i = 0; i < 4; i++) expect((await client.ask(get())).status).toBe(202);
    expect(calls).toHaveLength(4);
  });

  test('answers 502 where a short answer is cut, before or after the runner is done', async () => {
    const cut = (
      _: number,
      __: string,
      { socket }: { readonly socket: { end(text: string): void } },
    ) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nhello');
      return undefined;
    };
    script(() => change({}));
    await serve(cut);
    expect((await client.ask(get())).status).toBe(502);
    script(() => change({}), true);
    expect((await client.ask(get())).status).toBe(502);
  });

  test('cancels the call when the client goes away', async () => {
    manager.onMessage = (frames) => {
      for (const { frame } of frames) if (frame?.$case === 'responseCall') calls.push(frame.value);
    };
    await serve(() => OK);
    client.send(get());
    await eventually(() => calls.length === 1);
    client.socket.destroy();
    const cancelled = (): boolean =>
      manager.frames().some(({ frame }) => frame?.$case === 'cancelCall');
    await eventually(cancelled);
  });
});

test('runners hear of confs when they come and when they go', async () => {
  client = await connectRaw(gateway.port);
  const told = (kind: 'holdConf' | 'releaseConf'): string[] =>
    manager.frames().flatMap(({ frame }) => {
      if (frame?.$case !== kind) return [];
      return frame.$case === 'holdConf' ? [frame.value.conf?.key ?? ''] : [frame.value.key];
    });
  const plugins = { 'ext-plugin-pre-req': { conf: [{ name: 'p', value: '1' }] } };
  await gateway.put('/routes/held', { uri: '/held', plugins });
  const isFirst = (key: string): boolean => key.startsWith('route#held#ext-plugin-pre-req#');
  await eventually(() => told('holdConf').some(isFirst));
  const [first = ''] = told('holdConf').filter(isFirst);
  await gateway.put('/routes/held', { uri: '/held', plugins });
  await eventually(() => told('releaseConf').includes(first));
  expect(told('holdConf').filter(isFirst)).toHaveLength(2);
});

test('changes of a conf under load cost no request', async () => {
  manager.onMessage = (frames, send) => {
    const answered = frames.filter(({ frame }) => frame?.$case === 'requestCall');
    setImmediate(() => send(answered.map(continueFrame)));
  };
  const node = await startScriptedNode(() => OK);
  nodes.push(node);
  const upstream = upstreamOf(node.node);
  const version = (value: number): Promise<void> => {
    const plugins = { 'ext-plugin-pre-req': { conf: [{ name: 'p', value: String(value) }] } };
    return gateway.put('/routes/load', { uri: '/load', upstream, plugins });
  };
  await version(0);
  let isChanging = true;
  const statuses = new Map<number, number>();
  const load = async (): Promise<void> => {
    const one = await connectRaw(gateway.port);
    while (isChanging) {
      const { status } = await one.ask('GET /load HTTP/1.1\r\nHost: a\r\n\r\n');
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    one.socket.destroy();
  };
  client = await connectRaw(gateway.port);
  const loads = Array.from({ length: 8 }, load);
  for (let i = 1; i <= 20; i++) await version(i);
  isChanging = false;
  await Promise.all(loads);
  expect([...statuses.keys()]).toEqual([200]);
});

test('a request body that is there travels with the call once a plugin has asked for it', async () => {
  const known: (string | undefined)[] = [];
  manager.onMessage = (frames, send) => {
    for (const { callId, frame } of frames) {
      if (frame?.$case === 'requestCall') {
        const body = frame.value.known?.requestBody;
        known.push(body?.toString());
        const info = { $case: 'requestBody', value: {} } as const;
        if (body === undefined) {
          send([{ callId, frame: { $case: 'extraInfoQuestion', value: { info } } }]);
          continue;
        }
      }
      if (callId !== 0) send([continueFrame({ callId })]);
    }
  };
  const node = await startScriptedNode(() => OK);
  nodes.push(node);
  const plugins = { 'ext-plugin-pre-req': {} };
  await gateway.put('/routes/b', { uri: '/b', upstream: upstreamOf(node.node), plugins });
  client = await connectRaw(gateway.port);
  const post = 'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody';
  for (let i = 0; i < 2; i++) expect((await client.ask(post)).body).toBe('hello');
  expect(known).toEqual([undefined, 'body']);
});

test('entries of one conf go to their runners in order, each with what the last one made', async () => {
  const seen: string[] = [];
  manager.onMessage = (frames, send) => {
    for (const { callId, frame } of frames) {
      if (frame?.$case !== 'requestCall') continue;
      const { runner, path, conf } = frame.value;
      seen.push(`${runner}:${path}:${conf?.plugins.map(({ name }) => name).join()}`);
      const stop = { status: 401, headers: [], body: Buffer.from('no') };
      const rewrite = {
        path: `${path}${runner}`,
        ...{ headers: [], args: [], responseHeaders: [], body: Buffer.alloc(0) },
      };
      const action =
        seen.length === 3
          ? ({ $case: 'stop', value: stop } as const)
          : ({ $case: 'rewrite', value: rewrite } as const);
      send([{ callId, frame: { $case: 'requestResult', value: { action } } }]);
    }
  };
  const conf = [
    { name: 'a', value: '', runner: 'go' },
    { name: 'b', value: '', runner: 'go' },
    { name: 'c', value: '' },
    { name: 'd', value: '', runner: 'java' },
    { name: 'e', value: '', runner: 'go' },
  ];
  const node = await startScriptedNode(() => OK);
  nodes.push(node);
  const plugins = { 'ext-plugin-pre-req': { conf } };
  await gateway.put('/routes/s', { uri: '/s', upstream: upstreamOf(node.node), plugins });
  client = await connectRaw(gateway.port);
  const reply = await client.ask('GET /s HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(reply).toMatchObject({ status: 401, body: 'no' });
  expect(seen).toEqual(['go:/s:a,b', ':/sgo:c', 'java:/sgo:d']);
  expect(node.connections).toEqual([]);
});

test('the Control API tells of links, breakers, and what managers say', async () => {
  client = await connectRaw(gateway.port);
  const reply = await request({ port: gateway.plane.controlPort ?? 0, path: '/v1/runners' });
  expect(reply.status).toBe(200);
  expect(JSON.parse(reply.text)).toMatchObject({
    workers: [{ id: 0, links: [{ address: manager.address, connected: true }] }],
    breakers: [],
    managers: [{ address: manager.address, runners: [] }],
  });
});
