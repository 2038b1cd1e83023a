import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from '../gateway.harness.ts';
import type { RunningGateway, TestUpstream } from '../gateway.harness.ts';
import { CertificateWorkshop, hasOpenssl } from '../tls/certificates.fixture.ts';
import { connectRaw, startRawNode, startScriptedNode, upstreamOf } from './http1.harness.ts';
import type { NodeConnection, RawClient, RawNode } from './http1.harness.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

let gateway: RunningGateway;
let echo: TestUpstream;
let client: RawClient;
const rawNodes: RawNode[] = [];

beforeAll(async () => {
  [gateway, echo] = await Promise.all([runGateway({}), startUpstream()]);
});
afterAll(async () => {
  await gateway.stop();
  await echo.close();
});
afterEach(async () => {
  client.socket.destroy();
  for (const node of rawNodes.splice(0)) await node.close();
});

/** `more` is the upstream's. */
async function serve(raw: RawNode, more: object = {}, nodes = [raw.node]): Promise<RawNode> {
  rawNodes.push(raw);
  const upstream = { ...upstreamOf(...nodes), ...more };
  await gateway.put('/routes/raw', { uri: '/raw', upstream });
  client = await connectRaw(gateway.port);
  return raw;
}

const get = (path = '/raw'): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const post = (fields: string, body = '', method = 'POST'): string =>
  `${method} /raw HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;
const pool = (more: object): object => ({
  keepalive_pool: { size: 10, idle_timeout: 60, requests: 1000, ...more },
});
const open = (raw: RawNode): NodeConnection[] => raw.connections.filter((one) => !one.isClosed);

describe('connections to a node', () => {
  test('are used again', async () => {
    const raw = await serve(await startScriptedNode(() => OK));
    for (let i = 0; i < 5; i++) expect((await client.ask(get())).body).toBe('ok');
    expect(raw.connections).toHaveLength(1);
  });

  test('are kept up to keepalive_pool.size', async () => {
    const waiting: NodeConnection[] = [];
    const answered = await startScriptedNode((_, __, connection) => {
      waiting.push(connection);
      return undefined;
    });
    const raw = await serve(answered, pool({ size: 2 }));
    const clients = await Promise.all([1, 2, 3, 4].map(() => connectRaw(gateway.port)));
    for (const one of clients) one.send(get());
    await eventually(() => waiting.length === 4);
    for (const { socket } of waiting) socket.write(OK);
    for (const one of clients) expect((await one.reply()).status).toBe(200);
    await eventually(() => open(raw).length === 2);
    for (const { socket } of clients) socket.destroy();
  });

  test('end after keepalive_pool.requests, and after idle_timeout', async () => {
    const raw = await serve(await startScriptedNode(() => OK), pool({ requests: 2 }));
    for (let i = 0; i < 4; i++) await client.ask(get());
    expect(raw.connections).toHaveLength(2);
    await eventually(() => open(raw).length === 0);

    const other = await serve(await startScriptedNode(() => OK), pool({ idle_timeout: 0.2 }));
    await client.ask(get());
    await eventually(() => open(other).length === 0);
    expect((await client.ask(get())).body).toBe('ok');
  });

  test('are not kept where the node says close, or speaks HTTP/1.0', async () => {
    const answers = [
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
      OK,
    ];
    const raw = await serve(await startScriptedNode((n) => answers[n - 1]));
    for (let i = 0; i < 3; i++) expect((await client.ask(get())).body).toBe('ok');
    expect(raw.connections).toHaveLength(3);
  });

  test('found dead are replaced for a GET, and a POST that was sent is not sent again', async () => {
    const heads: string[] = [];
    const raw = await serve(
      await startScriptedNode((n, head, { socket }) => {
        heads.push(head);
        if (n % 2 === 1) return OK;
        socket.resetAndDestroy();
        return undefined;
      }),
    );
    expect((await client.ask(get())).status).toBe(200);
    // 2 is cut on the kept connection, 3 goes out on a new one.
    expect((await client.ask(get())).status).toBe(200);
    expect(raw.connections).toHaveLength(2);
    expect((await client.ask(post('Content-Length: 0'))).status).toBe(502);
    expect(heads.filter((head) => head.startsWith('POST'))).toHaveLength(1);
  });
});

describe('a node that is not well', () => {
  test('is a 504 where it does not answer in time', async () => {
    await serve(await startRawNode(() => undefined), {
      timeout: { connect: 1, send: 1, read: 0.3 },
    });
    expect((await client.ask(get())).status).toBe(504);
  });

  test('is a 504 where it takes no byte of a body in time', async () => {
    const raw = await serve(await startRawNode(({ socket }) => socket.pause()), {
      timeout: { connect: 1, send: 0.5, read: 60 },
    });
    const size = 40 * 1024 * 1024;
    client.send(post(`Content-Length: ${size}`));
    client.send(Buffer.alloc(size));
    expect((await client.reply()).status).toBe(504);
    await eventually(() => raw.connections.length === 1);
  });

  test('is passed over for the next, with a body that is here', async () => {
    const raw = await startScriptedNode((_, __, { socket }) => {
      socket.destroy();
      return undefined;
    });
    await serve(raw, {}, [raw.node, echo.node]);
    for (let i = 0; i < 4; i++) {
      const { status, body } = await client.ask(post('Content-Length: 5', 'hello', 'PUT'));
      expect([status, JSON.parse(body).body]).toEqual([200, 'hello']);
    }
    expect(raw.connections.length).toBeGreaterThan(0);
  });

  test('is passed over with a body that a plugin has read, not with one that streams', async () => {
    const raw = await startRawNode(({ socket, text }) => {
      if (text.includes('hel')) socket.destroy();
    });
    await serve(raw, { retries: 1 }, [raw.node, echo.node]);
    const statuses = new Set<number>();
    for (let i = 0; i < 4; i++) {
      client = await connectRaw(gateway.port);
      client.send(post('Transfer-Encoding: chunked', '3\r\nhel\r\n', 'PUT'));
      const before = raw.connections.length + echo.requests.length;
      await eventually(() => raw.connections.length + echo.requests.length >= before);
      client.send('2\r\nlo\r\n0\r\n\r\n');
      statuses.add((await client.reply()).status);
    }
    expect(statuses).toEqual(new Set([200, 502]));

    const logger = { 'file-logger': { path: '/dev/null', include_req_body: true } };
    const upstream = upstreamOf(raw.node, echo.node);
    await gateway.put('/routes/raw', { uri: '/raw', upstream, plugins: logger });
    client = await connectRaw(gateway.port);
    for (let i = 0; i < 4; i++) {
      const sent = post('Transfer-Encoding: chunked', '3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n', 'PUT');
      expect(JSON.parse((await client.ask(sent)).body).body).toBe('hello');
    }
  });
});

describe('a node that lies', () => {
  const cut = ['Content-Length: 10\r\n\r\nhal', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhal'];
  test.each(cut)('and hangs up early has its client cut, not completed: %j', async (rest) => {
    await serve(
      await startScriptedNode((_, __, { socket }) => {
        socket.end(`HTTP/1.1 200 OK\r\n${rest}`);
        return undefined;
      }),
    );
    client.send(get());
    await client.ended();
    expect(client.text).toContain('hal');
    expect(client.text).not.toMatch(/\r\n0\r\n/);
    client = await connectRaw(gateway.port);
    await expect(client.ask(get())).rejects.toThrow('connection ended');
  });

  test('and sends more than it said leaks nothing into the next answer', async () => {
    const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
    const raw = await serve(await startScriptedNode((n) => (n === 1 ? OK + evil : OK)));
    for (let i = 0; i < 3; i++) expect((await client.ask(get())).body).toBe('ok');
    expect(raw.connections).toHaveLength(2);
    expect(raw.connections[0]?.isClosed).toBe(true);
  });

  test('and answers a HEAD with a body leaks nothing either', async () => {
    const raw = await serve(
      await startScriptedNode(() => `HTTP/1.1 200 OK\r\nContent-Length: ${OK.length}\r\n\r\n${OK}`),
    );
    const { status } = await client.ask('HEAD /raw HTTP/1.1\r\nHost: a\r\n\r\n', true);
    expect(status).toBe(200);
    await eventually(() => raw.connections[0]?.isClosed === true);
    expect((await client.ask(get())).body).toBe(OK);
  });

  test('and speaks unasked on an idle connection is not listened to', async () => {
    const raw = await serve(await startScriptedNode(() => OK));
    expect((await client.ask(get())).body).toBe('ok');
    raw.connections[0]?.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await eventually(() => raw.connections[0]?.isClosed === true);
    expect((await client.ask(get())).body).toBe('ok');
    expect(raw.connections).toHaveLength(2);
  });

  test('and speaks before it is asked is not listened to', async () => {
    const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
    // The answer to the first request is what it says; the connection must not see a second.
    const raw = await serve(
      await startRawNode(
        ({ socket }) => void socket.write(OK),
        ({ socket }) => void socket.write(evil),
      ),
    );
    await client.ask(get());
    await client.ask(get());
    await eventually(() => raw.connections.every(({ isClosed }) => isClosed));
    expect(raw.connections.map(({ text }) => text.split('GET ').length)).toEqual([2, 2]);
  });
});

test('an answer in pieces of a byte arrives whole', async () => {
  const answer =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n' +
    '5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n';
  await serve(
    await startScriptedNode((_, __, { socket }) => {
      void (async () => {
        for (const byte of Buffer.from(answer)) {
          socket.write(Buffer.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      return undefined;
    }),
  );
  for (let i = 0; i < 2; i++) {
    const { body, trailers, headers } = await client.ask(get());
    expect([body, trailers, headers.get('x-a')]).toEqual(['hello world', 'X-Sum: 1', 'b']);
  }
});

test.skipIf(!hasOpenssl())('over TLS, a client that pauses gets every byte of it', async () => {
  const workshop = new CertificateWorkshop();
  const pair = workshop.authority('/CN=nodes').issue('/CN=node', { names: ['node.test'] });
  const size = 24 * 1024 * 1024;
  const body = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4) body.writeUInt32LE(i, i);
  const server = createServer(pair, (_, response) => {
    response.writeHead(200, { 'Content-Length': size, Connection: 'close' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const node = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const upstream = { ...upstreamOf(node), scheme: 'https' };
  await gateway.put('/routes/tls', { uri: '/tls', upstream });
  client = await connectRaw(gateway.port);
  const { socket } = client;
  let at = -1;
  let isRight = true;
  socket.removeAllListeners('data');
  socket.on('data', (chunk: Buffer) => {
    let from = 0;
    if (at === -1) {
      from = chunk.indexOf('\r\n\r\n') + 4;
      at = 0;
    }
    const { length } = chunk;
    isRight &&= body.compare(chunk, from, length, at, at + length - from) === 0;
    at += length - from;
    socket.pause();
    setTimeout(() => socket.resume(), 1);
  });
  client.send(get('/tls'));
  await eventually(() => at === size || client.isClosed || !isRight);
  expect([at, isRight]).toEqual([size, true]);
  server.close();
  server.closeAllConnections();
  workshop.dispose();
});
