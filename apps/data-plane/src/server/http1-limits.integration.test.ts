import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from '../gateway.harness.ts';
import type { RunningGateway, TestUpstream } from '../gateway.harness.ts';
import { connectRaw, startRawNode, startScriptedNode, upstreamOf } from './http1.harness.ts';
import type { RawClient, RawNode } from './http1.harness.ts';

const MIB = 1024 * 1024;
/** More than the kernel's buffers of two loopback connections hold. */
const HUGE = 48 * MIB;

let gateway: RunningGateway;
let echo: TestUpstream;
let client: RawClient;
const rawNodes: RawNode[] = [];

beforeAll(async () => {
  [gateway, echo] = await Promise.all([
    runGateway({
      http:
        'client_header_timeout: 400ms, client_body_timeout: 400ms, send_timeout: 1s, ' +
        'keepalive_timeout: 600ms, client_max_body_size: 100m',
      limits: 'buffered_body_bytes_max: 65536',
    }),
    startUpstream(),
  ]);
  await gateway.put('/routes/echo', { uri: '/echo', upstream: upstreamOf(echo.node) });
});
afterAll(async () => {
  await gateway.stop();
  await echo.close();
});
afterEach(async () => {
  client.socket.destroy();
  for (const node of rawNodes.splice(0)) await node.close();
});

async function serve(uri: string, raw: RawNode, more: object = {}): Promise<RawNode> {
  rawNodes.push(raw);
  await gateway.put('/routes/raw', { uri, upstream: upstreamOf(raw.node), ...more });
  client = await connectRaw(gateway.port);
  return raw;
}

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const post = (path: string, fields: string, body = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;

/** When it has not changed for a while. */
async function settled(value: () => number): Promise<number> {
  let last = -1;
  let since = 0;
  await eventually(() => {
    if (value() !== last) {
      last = value();
      since = performance.now();
    }
    return performance.now() - since > 400;
  });
  return last;
}

const logFile = (name: string): string => join(gateway.folder, `${name}.log`);
const logging = (name: string): object => ({
  plugins: {
    'file-logger': { path: logFile(name), log_format: { status: '$status', uri: '$uri' } },
  },
});
async function logged(name: string): Promise<unknown[]> {
  const text = await readFile(logFile(name), 'utf8').catch(() => '');
  return text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).status);
}

describe('time limits of a client', () => {
  test('a head that is not there in time is answered 408, also where bytes keep coming', async () => {
    client = await connectRaw(gateway.port);
    const dribble = setInterval(() => client.send('X'), 50);
    client.send('GET /echo HTTP/1.1\r\nHost: a\r\nX: ');
    const { status } = await client.reply().finally(() => clearInterval(dribble));
    expect(status).toBe(408);
    await client.ended();
  });

  test('one that says nothing is closed without a word, before and after a request', async () => {
    client = await connectRaw(gateway.port);
    await client.ended();
    expect(client.text).toBe('');
    client = await connectRaw(gateway.port);
    expect((await client.ask(get('/echo'))).status).toBe(200);
    await client.ended();
    expect(client.text).toBe('');
  });

  test('a body that stops is answered 408, and the node sees no whole request', async () => {
    const raw = await serve('/stop', await startRawNode(() => undefined));
    client.send(post('/stop', 'Content-Length: 10', 'hal'));
    const { status, headers } = await client.reply();
    expect([status, headers.get('connection')]).toEqual([408, 'close']);
    await client.ended();
    await eventually(() => raw.connections.every(({ isClosed }) => isClosed));
  });

  test('one that never reads is cut, and the node with it', async () => {
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${HUGE}\r\n\r\n`;
    const raw = await serve(
      '/deaf',
      await startScriptedNode((_, __, { socket }) => {
        socket.write(head);
        socket.write(Buffer.alloc(HUGE));
        return undefined;
      }),
      logging('deaf'),
    );
    client.socket.pause();
    client.send(get('/deaf'));
    await eventually(() => raw.connections.length === 1 && raw.connections[0]?.isClosed === true);
    await eventually(async () => (await logged('deaf')).length > 0);
    expect(await logged('deaf')).toEqual([200]);
    client.socket.resume();
    await client.ended();
    expect(client.receivedBytes).toBeLessThan(HUGE);
  });

  test('one that reads slowly but steadily gets all of it', async () => {
    const size = 24 * MIB;
    await serve(
      '/slow',
      await startScriptedNode((_, __, { socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`);
        socket.end(Buffer.alloc(size, 'x'));
        return undefined;
      }),
    );
    const { socket } = client;
    socket.pause();
    client.send(get('/slow', 'Connection: close\r\n'));
    const startMs = performance.now();
    while (!client.hasEnded && !client.isClosed) {
      socket.resume();
      await new Promise((resolve) => setTimeout(resolve, 2));
      socket.pause();
      await new Promise((resolve) => setTimeout(resolve, 80));
      // Long enough for several send timeouts; then it may hurry.
      if (performance.now() - startMs > 4000) socket.resume();
      if (performance.now() - startMs > 4000) await client.ended();
    }
    expect(client.text.length - client.text.indexOf('\r\n\r\n') - 4).toBe(size);
  });

  test('one that stalls at the end of its last answer is not cut before send_timeout', async () => {
    await serve(
      '/tail',
      await startScriptedNode((_, __, { socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${12 * MIB}\r\n\r\n`);
        socket.write(Buffer.alloc(12 * MIB, 'x'));
        return undefined;
      }),
    );
    client.socket.pause();
    client.send(get('/tail', 'Connection: close\r\n'));
    await new Promise((resolve) => setTimeout(resolve, 700));
    client.socket.resume();
    await client.ended();
    expect(client.text.length - client.text.indexOf('\r\n\r\n') - 4).toBe(12 * MIB);
  });
});

describe('sizes', () => {
  test('a body over client_max_body_size is refused by its length, before it is sent', async () => {
    const raw = await serve('/big', await startRawNode(() => undefined));
    const { status } = await client.ask(post('/big', `Content-Length: ${200 * MIB}`));
    expect(status).toBe(413);
    expect(raw.connections).toHaveLength(0);
    client.send(Buffer.alloc(MIB));
    await client.ended();
  });

  test('a chunked body is refused when it has passed the limit', async () => {
    const raw = await serve('/big', await startRawNode(() => undefined));
    client.send(post('/big', 'Transfer-Encoding: chunked'));
    const chunk = Buffer.concat([
      Buffer.from('100000\r\n'),
      Buffer.alloc(MIB),
      Buffer.from('\r\n'),
    ]);
    for (let i = 0; i < 101; i++) {
      client.send(chunk);
      await eventually(() => client.socket.writableLength < 4 * MIB);
    }
    const { status } = await client.reply();
    expect(status).toBe(413);
    expect(raw.connections[0]?.receivedBytes).toBeLessThan(101 * MIB);
    await eventually(() => raw.connections[0]?.isClosed === true);
  });

  test('a body that a plugin wants to have whole is refused past the limit', async () => {
    const name = 'whole';
    const include = { include_req_body: true, path: logFile(name) };
    const plugins = { plugins: { 'file-logger': include } };
    const raw = await serve('/whole', await startRawNode(() => undefined), plugins);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const sent = post('/whole', 'Transfer-Encoding: chunked', `${chunk}${chunk}0\r\n\r\n`);
    expect((await client.ask(sent)).status).toBe(413);
    expect(raw.connections).toHaveLength(0);
    // It was read to its end: the connection goes on.
    expect((await client.ask(get('/echo'))).status).toBe(200);
  });
});

describe('back-pressure', () => {
  test('a node that does not read pauses the client, and loses nothing', async () => {
    const raw = await serve(
      '/up',
      await startRawNode(({ socket, receivedBytes }, chunk) => {
        if (receivedBytes === chunk.length) socket.pause();
      }),
    );
    client.send(post('/up', `Content-Length: ${HUGE}`));
    const body = Buffer.alloc(HUGE, 'abcdefghijklm');
    client.send(body);
    await eventually(() => raw.connections.length === 1);
    expect(await settled(() => client.socket.writableLength)).toBeGreaterThan(HUGE / 4);
    const connection = raw.connections[0] as NonNullable<(typeof raw.connections)[0]>;
    const { socket } = connection;
    let at = connection.text.length - connection.text.indexOf('\r\n\r\n') - 4;
    let isRight = true;
    socket.on('data', (chunk: Buffer) => {
      isRight &&= body.compare(chunk, 0, chunk.length, at, at + chunk.length) === 0;
      at += chunk.length;
    });
    socket.resume();
    await eventually(() => at === HUGE);
    expect(isRight).toBe(true);
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    expect((await client.reply()).status).toBe(200);
  });

  test('a client that sends requests and reads no answer is not served without end', async () => {
    client = await connectRaw(gateway.port);
    client.socket.pause();
    client.send(Buffer.alloc(24 * MIB, get('/nowhere-that-there-is')));
    let unsent = 0;
    await eventually(() => {
      const isOver = client.isClosed || client.socket.destroyed || client.hasEnded;
      if (!isOver) unsent = client.socket.writableLength;
      return isOver;
    });
    expect(unsent).toBeGreaterThan(4 * MIB);
  });
});

describe('a client that ends its side', () => {
  test('gets the answer to a request that it had completed', async () => {
    client = await connectRaw(gateway.port);
    client.socket.end(get('/echo') + get('/echo?2'));
    expect((await client.reply()).status).toBe(200);
    expect((await client.reply()).status).toBe(200);
    await client.ended();
  });

  test('gets a slow one, too, where it said that it would be the last', async () => {
    await serve(
      '/late',
      await startScriptedNode((_, __, { socket }) => {
        setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 1800);
        return undefined;
      }),
    );
    client.socket.end(get('/late', 'Connection: close\r\n'));
    expect((await client.reply()).body).toBe('ok');
  });

  test('gets an answer that takes long because it is long', async () => {
    await serve(
      '/drops',
      await startScriptedNode((_, __, { socket }) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n');
        for (let i = 0; i < 8; i++) setTimeout(() => socket.write(String(i)), 350 * i);
        return undefined;
      }),
    );
    client.socket.end(get('/drops'));
    expect((await client.reply()).body).toBe('01234567');
  });

  test('in the middle of a body is gone: the node hears of it, and the log once', async () => {
    const raw = await serve('/half', await startRawNode(() => undefined), logging('half'));
    client.send(post('/half', 'Content-Length: 10', 'hal'));
    await eventually(() => raw.connections[0]?.text.endsWith('hal') === true);
    client.socket.end();
    await eventually(() => raw.connections[0]?.isClosed === true);
    await client.ended();
    await eventually(async () => (await logged('half')).length > 0);
    expect(await logged('half')).toEqual([499]);
  });
});

describe('a client that goes away', () => {
  test.each(['reset', 'closed'] as const)(
    '%s, has its call cancelled, logged once',
    async (how) => {
      const raw = await serve('/gone', await startRawNode(() => undefined), logging(how));
      client.send(get('/gone'));
      await eventually(() => raw.connections[0]?.text.endsWith('\r\n\r\n') === true);
      if (how === 'reset') client.socket.resetAndDestroy();
      else client.socket.destroy();
      await eventually(() => raw.connections[0]?.isClosed === true);
      await eventually(async () => (await logged(how)).length > 0);
      expect(await logged(how)).toEqual([499]);
    },
  );
});

describe('an answer before the upload has ended', () => {
  test('is delivered; a rest that is small is read, and the connection goes on', async () => {
    let closing = false;
    await serve(
      '/early',
      await startScriptedNode(() => {
        if (closing) return undefined;
        closing = true;
        return 'HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nearly';
      }),
    );
    client.send(post('/early', 'Content-Length: 100000', 'x'.repeat(1000)));
    expect((await client.reply()).body).toBe('early');
    client.send('x'.repeat(99_000) + get('/echo'));
    expect((await client.reply()).status).toBe(200);
  });

  test('is delivered; a rest that is large ends the connection', async () => {
    await serve(
      '/early',
      await startScriptedNode(() => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nearly'),
    );
    client.send(post('/early', `Content-Length: ${50 * MIB}`));
    client.send(Buffer.alloc(50 * MIB, get('/echo')));
    expect((await client.reply()).body).toBe('early');
    await client.ended();
    expect(client.text).toBe('');
  });

  test('is the only one, also where the rest of the body is no body', async () => {
    client = await connectRaw(gateway.port);
    expect((await client.ask(post('/none', 'Transfer-Encoding: chunked'))).status).toBe(404);
    client.send('nonsense\r\n');
    await client.ended();
    expect(client.text).toBe('');
  });
});
