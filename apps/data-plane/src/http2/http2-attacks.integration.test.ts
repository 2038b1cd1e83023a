import { afterEach, expect, test } from 'vitest';
import type { Exchange } from '../request/exchange.ts';
import {
  END_HEADERS,
  END_STREAM,
  eventually,
  exchangeWith,
  fieldBlock,
  FRAME,
  frame,
  FrameClient,
  GET_FIELDS,
  sendText,
  startAcceptor,
} from './http2.harness.ts';
import type { RunningAcceptor } from './http2.harness.ts';

const ENHANCE_YOUR_CALM = 11;
const PROTOCOL_ERROR = 1;
const CANCEL = Buffer.from([0, 0, 0, 8]);
const clients: FrameClient[] = [];
let running: RunningAcceptor;
let served: string[] = [];

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await running.close();
});

async function start(options?: Parameters<typeof startAcceptor>[1]): Promise<void> {
  served = [];
  running = await startAcceptor((exchange: Exchange) => {
    served.push(exchange.target);
    if (exchange.target === '/held') return;
    if (!exchange.body.present) {
      sendText(exchange, 200, 'ok');
      return;
    }
    exchange.body.stream({
      write: () => true,
      end: () => sendText(exchange, 200, 'ok'),
      fail: () => undefined,
    });
  }, options);
}

function attacker(settings?: readonly (readonly [number, number])[]): FrameClient {
  const client = FrameClient.open(running.port, settings);
  clients.push(client);
  return client;
}

/** Sends the same again and again until it is cut off, while a good client goes on being served. */
async function flood(
  client: FrameClient,
  frames: (round: number) => readonly Buffer[],
): Promise<void> {
  const good = running.connect();
  for (let round = 0; !client.isClosed; round++) {
    client.send(...frames(round));
    if (round % 20 === 0) {
      expect((await exchangeWith(good, { ':path': '/good' })).status).toBe(200);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await exchangeWith(good, { ':path': '/good' })).status).toBe(200);
  expect(good.destroyed).toBe(false);
}

function held(stream: number): Buffer {
  const fields = GET_FIELDS.map(
    ([name, value]) => [name, name === ':path' ? '/held' : value] as const,
  );
  return frame(FRAME.headers, END_HEADERS | END_STREAM, stream, fieldBlock(fields));
}

test('rapid reset (CVE-2023-44487) ends the connection', async () => {
  await start({ limits: { http2ResetsMax: 50 } });
  const client = attacker();
  await flood(client, (round) => [held(round * 2 + 1), frame(FRAME.rst, 0, round * 2 + 1, CANCEL)]);
  expect(served.filter((target) => target === '/held').length).toBeLessThan(200);
});

test('a client that makes the server reset (CVE-2025-8671) ends its connection', async () => {
  await start({ limits: { http2ResetsMax: 50 } });
  // a WINDOW_UPDATE of nothing is an error of the stream
  const nothing = Buffer.alloc(4);
  await flood(attacker(), (round) => [
    held(round * 2 + 1),
    frame(FRAME.windowUpdate, 0, round * 2 + 1, nothing),
  ]);
  expect(served.filter((target) => target === '/held').length).toBeLessThan(200);
});

test('requests that are refused again and again end the connection', async () => {
  await start({ limits: { http2ResetsMax: 50 } });
  const bad = fieldBlock([...GET_FIELDS, ['host', 'other.test']]);
  await flood(attacker(), (round) => [
    frame(FRAME.headers, END_HEADERS | END_STREAM, round * 2 + 1, bad),
  ]);
  expect(running.refused.length).toBeLessThan(200);
});

test.each([
  ['PING', () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
  ['SETTINGS', () => frame(FRAME.settings, 0, 0)],
  ['WINDOW_UPDATE', () => frame(FRAME.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1]))],
  ['PRIORITY', (round: number) => frame(FRAME.priority, 0, round * 2 + 1, Buffer.alloc(5, 1))],
  ['frames of an unknown type', () => frame(0xf0, 0, 0, Buffer.alloc(100))],
])('a flood of %s ends the connection', async (_name, one) => {
  await start({ limits: { http2OverheadBytesMax: 20_000 } });
  await flood(attacker(), (round) => Array.from({ length: 50 }, () => one(round)));
});

test('a PING flood of a client that reads no acknowledgement ends the connection', async () => {
  await start();
  const client = attacker();
  client.socket.pause();
  await eventually(() => running.acceptor.connections === 1);
  const pings = Buffer.concat(Array<Buffer>(200).fill(frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
  await eventually(() => {
    client.send(pings);
    return running.acceptor.connections === 0;
  });
});

test('empty DATA frames end the connection', async () => {
  await start();
  const client = attacker();
  client.send(frame(FRAME.headers, END_HEADERS, 1, fieldBlock(GET_FIELDS)));
  await flood(client, () => Array.from({ length: 10 }, () => frame(FRAME.data, 0, 1)));
});

test('a CONTINUATION flood ends the connection', async () => {
  await start();
  const client = attacker();
  client.send(frame(FRAME.headers, END_STREAM, 1, fieldBlock(GET_FIELDS)));
  const field = fieldBlock([['x-filler', 'f'.repeat(500)]]);
  await flood(client, () => [frame(FRAME.continuation, 0, 1, field)]);
  expect(served.filter((target) => target === '/')).toEqual([]);
});

test('a header list over the limit gets 431, far over it a reset; nothing is served', async () => {
  await start();
  const client = attacker();
  const filler = (count: number) =>
    Array.from({ length: count }, (_, i) => [`x-${i}`, 'f'.repeat(300)] as const);
  client.request(1, [...GET_FIELDS, ...filler(30)]);
  const short = (count: number) =>
    Array.from({ length: count }, (_, i) => [`y-${i}`, '1'] as const);
  client.request(3, [...GET_FIELDS, ...short(120)]);
  client.request(5, [...GET_FIELDS, ...short(60)]);
  await eventually(
    () => client.of(FRAME.headers).length === 2 && client.resetCode(3) !== undefined,
  );
  expect(client.of(FRAME.headers).map(({ stream }) => stream)).toEqual([1, 5]);
  expect(client.resetCode(3)).toBe(ENHANCE_YOUR_CALM);
  expect(running.refused).toEqual(['header list too large', 'too many headers']);
  expect(served).toEqual([]);
});

test('an HPACK bomb is refused', async () => {
  await start();
  const client = attacker();
  // one long field put into the table, then named again a thousand times with one byte each
  const value = Buffer.alloc(3000, 'b');
  const bomb = Buffer.concat([
    fieldBlock(GET_FIELDS),
    Buffer.from([0x40, 1, 0x78, 127, (2873 & 127) | 128, 2873 >> 7]),
    value,
    Buffer.alloc(1000, 0x80 | 62),
  ]);
  client.send(frame(FRAME.headers, END_HEADERS | END_STREAM, 1, bomb));
  await eventually(() => client.resetCode(1) !== undefined || client.isClosed);
  expect(served).toEqual([]);
});

test('no more streams at once than the limit, whatever the client tries', async () => {
  await start({ limits: { http2StreamsMax: 10 } });
  const client = attacker();
  for (let i = 0; i < 30; i++) client.send(held(i * 2 + 1));
  await eventually(() => client.of(FRAME.rst).length + (client.isClosed ? 30 : 0) >= 20);
  expect(served.length).toBeLessThanOrEqual(10);
});

const MALFORMED: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ['no :method', GET_FIELDS.slice(1)],
  ['no :path', GET_FIELDS.filter(([name]) => name !== ':path')],
  ['no :scheme', GET_FIELDS.filter(([name]) => name !== ':scheme')],
  ['no :authority', GET_FIELDS.filter(([name]) => name !== ':authority')],
  ['a second :path', [...GET_FIELDS, [':path', '/b']]],
  ['a second :authority', [...GET_FIELDS, [':authority', 'b.test']]],
  ['a pseudo header behind a header', [['x-a', '1'], ...GET_FIELDS]],
  ['an unknown pseudo header', [...GET_FIELDS, [':other', '1']]],
  [':status in a request', [...GET_FIELDS, [':status', '200']]],
  ['extended CONNECT', [...GET_FIELDS, [':protocol', 'websocket']]],
  ['connection', [...GET_FIELDS, ['connection', 'close']]],
  ['transfer-encoding', [...GET_FIELDS, ['transfer-encoding', 'chunked']]],
  ['keep-alive', [...GET_FIELDS, ['keep-alive', '1']]],
  ['upgrade', [...GET_FIELDS, ['upgrade', 'h2c']]],
  ['http2-settings', [...GET_FIELDS, ['http2-settings', 'a']]],
  ['te other than trailers', [...GET_FIELDS, ['te', 'gzip']]],
  ['host and :authority that differ', [...GET_FIELDS, ['host', 'b.test']]],
  ['two hosts', [...GET_FIELDS, ['host', 'a.test'], ['host', 'a.test']]],
  ['a path without slash', GET_FIELDS.map(([n, v]) => [n, n === ':path' ? 'a' : v] as const)],
  ['a space in the path', GET_FIELDS.map(([n, v]) => [n, n === ':path' ? '/a b' : v] as const)],
  ['an empty path', GET_FIELDS.map(([n, v]) => [n, n === ':path' ? '' : v] as const)],
  ['userinfo', GET_FIELDS.map(([n, v]) => [n, n === ':authority' ? 'u@a.test' : v] as const)],
  ['a list of hosts', GET_FIELDS.map(([n, v]) => [n, n === ':authority' ? 'a, b' : v] as const)],
  ['content-length of words', [...GET_FIELDS, ['content-length', 'ten']]],
  ['content-length with a sign', [...GET_FIELDS, ['content-length', '+0']]],
  ['two content-lengths', [...GET_FIELDS, ['content-length', '0'], ['content-length', '0']]],
  ['content-length without a body', [...GET_FIELDS, ['content-length', '5']]],
  [
    'CONNECT',
    [
      [':method', 'CONNECT'],
      [':authority', 'a.test:1'],
    ],
  ],
  ['TRACE', GET_FIELDS.map(([n, v]) => [n, n === ':method' ? 'TRACE' : v] as const)],
  ['a method in lower case', GET_FIELDS.map(([n, v]) => [n, n === ':method' ? 'get' : v] as const)],
];

test.each(MALFORMED)('refused: %s', async (_name, fields) => {
  await start();
  const client = attacker();
  client.request(1, fields);
  client.request(3);
  await eventually(() => client.of(FRAME.headers, 3).length === 1 || client.isClosed);
  await eventually(() => {
    const isAnswered = client.of(FRAME.headers, 1).length === 1;
    return isAnswered || client.resetCode(1) !== undefined || client.isClosed;
  });
  expect(served.filter((target) => target === '/').length).toBeLessThanOrEqual(1);
  const code = client.resetCode(1) ?? client.goawayCode;
  if (client.of(FRAME.headers, 1).length === 0) expect(code).toBe(PROTOCOL_ERROR);
  else expect(running.refused).toHaveLength(1);
});

test.each([
  ['upper case in a name', 'X-Upper', 'v'],
  ['CR LF in a value', 'x-split', 'a\r\nx-injected: b'],
  ['NUL in a value', 'x-nul', 'a\0b'],
  ['a space in a name', 'x a', 'v'],
  ['a colon in a name', 'x:a', 'v'],
  ['an empty name', '', 'v'],
])('%s never gets through', async (_what, name, value) => {
  const seen: string[] = [];
  running = await startAcceptor((exchange) => {
    exchange.headers.forEach((one, text) => seen.push(`${one}=${text}`));
    sendText(exchange, 200, 'ok');
  });
  const client = attacker();
  client.request(1, [...GET_FIELDS, [name, value]]);
  await eventually(() => client.frames.some(({ stream }) => stream === 1) || client.isClosed);
  expect(seen.filter((line) => line !== 'host=a.test')).toEqual([]);
});

test.each([
  ['shorter', '20000', ['fail']],
  ['a little shorter', '6', []],
  ['longer', '3', []],
])('a body %s than its Content-Length never ends well', async (_how, length, expected) => {
  const told: string[] = [];
  running = await startAcceptor((exchange) => {
    exchange.body.stream({
      write: () => true,
      end: () => told.push('end'),
      fail: () => told.push('fail'),
    });
  });
  const client = attacker();
  const block = fieldBlock([...GET_FIELDS, ['content-length', length]]);
  client.send(frame(FRAME.headers, END_HEADERS, 1, block));
  client.send(frame(FRAME.data, END_STREAM, 1, Buffer.from('12345')));
  await eventually(() => client.resetCode(1) !== undefined || client.isClosed);
  await eventually(() => told.length === expected.length);
  expect(told).toEqual(expected);
});

test('bytes that are no HTTP/2 end the connection', async () => {
  await start();
  const client = attacker();
  client.send(Buffer.alloc(200, 0xff));
  await eventually(() => client.isClosed);
  expect(running.acceptor.connections).toBe(0);
  expect(served).toEqual([]);
});
