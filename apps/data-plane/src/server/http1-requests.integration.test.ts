import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from '../gateway.harness.ts';
import type { RunningGateway, TestUpstream } from '../gateway.harness.ts';
import { connectRaw, startScriptedNode, upstreamOf } from './http1.harness.ts';
import type { RawClient, RawNode } from './http1.harness.ts';

let gateway: RunningGateway;
let upstream: TestUpstream;
let client: RawClient;
const rawNodes: RawNode[] = [];

function answer(message: IncomingMessage, response: ServerResponse): void {
  const url = message.url ?? '';
  const chunks: Buffer[] = [];
  message.on('data', (chunk: Buffer) => chunks.push(chunk));
  message.on('end', () => {
    const body = Buffer.concat(chunks);
    if (url.startsWith('/all/slow')) setTimeout(() => response.end(`slow ${url}`), 150);
    else if (url.startsWith('/all/empty')) response.writeHead(204).end();
    else if (url.startsWith('/all/unchanged')) {
      response.writeHead(304, { ETag: 'x', 'Content-Length': '77' }).end();
    } else if (url.startsWith('/all/chunked')) {
      if (message.method === 'GET') response.setHeader('Trailer', 'X-Sum');
      response.write('one');
      response.addTrailers({ 'X-Sum': '42', Host: 'evil' });
      response.end('two');
    } else if (url.startsWith('/all/pieces')) {
      const size = Number(url.split('=')[1]);
      for (let at = 0; at < body.length; at += size) response.write(body.subarray(at, at + size));
      response.end();
    } else if (url.startsWith('/all/length')) {
      response.writeHead(200, { 'Content-Length': '5' }).end('hello');
    } else {
      const { method, headers, trailers } = message;
      const rawHeaders = message.rawHeaders;
      const text = body.toString('latin1');
      response.end(JSON.stringify({ method, url, headers, rawHeaders, trailers, body: text }));
    }
  });
}

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([runGateway({}), startUpstream(answer)]);
  await gateway.put('/routes/all', { uri: '/all/*', upstream: upstreamOf(upstream.node) });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});
afterEach(async () => {
  client.socket.destroy();
  for (const node of rawNodes.splice(0)) await node.close();
});

async function node(
  uri: string,
  script: Parameters<typeof startScriptedNode>[0],
): Promise<RawNode> {
  const raw = await startScriptedNode(script);
  rawNodes.push(raw);
  await gateway.put('/routes/raw', { uri, upstream: upstreamOf(raw.node) });
  client = await connectRaw(gateway.port);
  return raw;
}

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const post = (path: string, fields: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;

describe('requests of one connection', () => {
  test('are answered in order, also when the first takes longest', async () => {
    client = await connectRaw(gateway.port);
    client.send(get('/all/slow/1') + get('/all/length') + get('/nowhere') + get('/all/slow/2'));
    expect((await client.reply()).body).toBe('slow /all/slow/1');
    expect((await client.reply()).body).toBe('hello');
    expect((await client.reply()).status).toBe(404);
    expect((await client.reply()).body).toBe('slow /all/slow/2');
  });

  test('may come a hundred at once, with and without bodies', async () => {
    client = await connectRaw(gateway.port);
    const requests = Array.from({ length: 100 }, (_, i) =>
      i % 3 === 0
        ? post(`/all/${i}`, 'Content-Length: 3', `b${i % 10}!`)
        : i % 3 === 1
          ? post(`/all/${i}`, 'Transfer-Encoding: chunked', '2\r\nch\r\n1\r\nu\r\n0\r\n\r\n')
          : get(`/all/${i}`),
    );
    client.send(requests.join(''));
    for (let i = 0; i < 100; i++) {
      const seen = JSON.parse((await client.reply()).body);
      expect(seen.url).toBe(`/all/${i}`);
      expect(seen.body).toBe(i % 3 === 0 ? `b${i % 10}!` : i % 3 === 1 ? 'chu' : '');
    }
    expect(client.text).toBe('');
  });

  test('may come byte by byte', async () => {
    client = await connectRaw(gateway.port);
    await client.sendBytewise(
      get('/all/1') +
        post('/all/2', 'Transfer-Encoding: chunked', '3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n') +
        post('/all/3', 'Content-Length: 2', 'ok'),
    );
    for (const body of ['', 'abc', 'ok']) {
      expect(JSON.parse((await client.reply()).body).body).toBe(body);
    }
  });

  test('end with Connection: close, and not before', async () => {
    client = await connectRaw(gateway.port);
    const first = await client.ask(get('/all/length'));
    expect(first.headers.get('connection')).toBe('keep-alive');
    const last = await client.ask(get('/all/length', 'Connection: close\r\n') + get('/all/1'));
    expect([last.headers.get('connection'), last.body]).toEqual(['close', 'hello']);
    await client.ended();
    expect(client.text).toBe('');
  });

  test('of HTTP/1.0 need no Host, and end the connection unless they ask for more', async () => {
    client = await connectRaw(gateway.port);
    const kept = await client.ask('GET /all/length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect([kept.status, kept.headers.get('connection')]).toEqual([200, 'keep-alive']);
    const { body, headers } = await client.ask('GET /all/length HTTP/1.0\r\nHost: a\r\n\r\n');
    expect([body, headers.get('connection')]).toEqual(['hello', 'close']);
    await client.ended();
  });

  test('of HTTP/1.0 get a chunked answer without its chunks', async () => {
    client = await connectRaw(gateway.port);
    const reply = await client.ask('GET /all/chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(reply.body).toBe('onetwo');
    expect(reply.headers.has('transfer-encoding')).toBe(false);
    expect(reply.headers.get('connection')).toBe('close');
  });

  test('go on after answers without a body', async () => {
    client = await connectRaw(gateway.port);
    for (const path of ['/all/length', '/all/chunked', '/all/empty', '/all/unchanged', '/none']) {
      const reply = await client.ask(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`, true);
      if (path === '/all/length') expect(reply.headers.get('content-length')).toBe('5');
    }
    const unchanged = await client.ask(get('/all/unchanged'));
    expect([unchanged.status, unchanged.headers.get('etag')]).toEqual([304, 'x']);
    const empty = await client.ask(get('/all/empty'));
    expect([empty.status, empty.headers.has('content-length')]).toEqual([204, false]);
    expect(empty.headers.has('transfer-encoding')).toBe(false);
    expect((await client.ask(get('/all/length'))).body).toBe('hello');
  });
});

describe('bodies', () => {
  test('come back as they went, in chunks of a byte up to a megabyte', async () => {
    client = await connectRaw(gateway.port);
    for (const [bytes, size] of [
      [0, 1],
      [300, 1],
      [70_000, 4096],
      [300_000, 65_536],
      [3_000_000, 1_000_000],
    ] as const) {
      const body = Buffer.alloc(bytes, 'abcdefghijk').toString('latin1');
      client.send(post(`/all/pieces?size=${size}`, 'Transfer-Encoding: chunked', ''));
      for (let at = 0; at < bytes; at += size) {
        const chunk = body.slice(at, at + size);
        client.send(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
      }
      client.send('0\r\n\r\n');
      expect((await client.reply()).body === body).toBe(true);
    }
  });

  test('bring their trailers, but for those that mean something in a head', async () => {
    client = await connectRaw(gateway.port);
    const { body, trailers } = await client.ask(get('/all/chunked'));
    expect([body, trailers]).toEqual(['onetwo', 'X-Sum: 42']);
    const sent = '3\r\nabc\r\n0\r\nX-Sum: 7\r\nHost: b\r\nX-Real-IP: 1.1.1.1\r\nX-Is: b\r\n\r\n';
    const fields = 'X-Is: a\r\nTransfer-Encoding: chunked';
    const seen = JSON.parse((await client.ask(post('/all/x', fields, sent))).body);
    expect(seen).toMatchObject({ body: 'abc', trailers: { 'x-sum': '7' } });
    expect(Object.keys(seen.trailers)).toEqual(['x-sum']);
  });

  test('that end with the connection of the node are chunked for the client', async () => {
    await node('/close', (_, __, { socket }) => {
      socket.end('HTTP/1.1 200 OK\r\n\r\nall of it');
      return undefined;
    });
    const reply = await client.ask(get('/close'));
    expect([reply.body, reply.headers.get('connection')]).toEqual(['all of it', 'keep-alive']);
    expect((await client.ask(get('/all/length'))).body).toBe('hello');
  });
});

describe('Expect: 100-continue', () => {
  const expecting = (path: string): string =>
    post(path, 'Expect: 100-continue\r\nContent-Length: 5', '');

  test('is granted once, when the node takes the body', async () => {
    client = await connectRaw(gateway.port);
    const first = await client.ask(expecting('/all/expect'));
    expect(first.head).toBe('HTTP/1.1 100 Continue');
    client.send('hello');
    const seen = JSON.parse((await client.reply()).body);
    expect(seen.body).toBe('hello');
    expect(seen.headers).not.toHaveProperty('expect');
    expect((await client.ask(get('/all/length'))).body).toBe('hello');
  });

  test('is not granted where the body came along, or the request is refused', async () => {
    client = await connectRaw(gateway.port);
    const { status } = await client.ask(`${expecting('/all/expect')}hello`);
    expect(status).toBe(200);
    const refused = await client.ask(expecting('/nowhere'));
    expect([refused.status, refused.headers.get('connection')]).toEqual([404, 'close']);
    await client.ended();
  });

  test('means nothing in HTTP/1.0, and nothing but 100-continue is known', async () => {
    client = await connectRaw(gateway.port);
    client.send(expecting('/all/expect').replace('HTTP/1.1', 'HTTP/1.0'));
    client.send('hello');
    expect((await client.reply()).status).toBe(200);
    client = await connectRaw(gateway.port);
    expect((await client.ask(get('/all/1', 'Expect: more\r\n'))).status).toBe(417);
  });
});

describe('1xx of a node', () => {
  test('103 is handed on without what concerns the connection, 100 is not', async () => {
    await node(
      '/early',
      () =>
        'HTTP/1.1 100 Continue\r\n\r\n' +
        'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n' +
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    );
    const early = await client.ask(get('/early'));
    expect(early.status).toBe(103);
    expect([...early.headers]).toEqual([['link', '</a>']]);
    expect((await client.reply()).body).toBe('ok');
    const old = await client.ask('GET /early HTTP/1.0\r\n\r\n');
    expect([old.status, old.body]).toEqual([200, 'ok']);
  });

  test('101 unasked is a 502', async () => {
    const raw = await node(
      '/switch',
      () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    );
    expect((await client.ask(get('/switch'))).status).toBe(502);
    await eventually(() => raw.connections.every(({ isClosed }) => isClosed));
  });

  test('without end are a 502', async () => {
    await node('/endless', () => 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000));
    client.send(get('/endless'));
    await eventually(() => client.text.includes('HTTP/1.1 502 Bad Gateway'));
    expect(client.text.split('HTTP/1.1 102').length).toBeLessThan(100);
  });
});

describe('heads', () => {
  test('lose what Connection names and what is for one hop, both ways', async () => {
    await node(
      '/hops',
      (_, head) =>
        'HTTP/1.1 200 OK\r\nConnection: X-Back, keep-alive\r\nX-Back: 1\r\nKeep-Alive: timeout=5\r\n' +
        'Proxy-Connection: x\r\nUpgrade: h2c\r\nTrailer: X-T\r\nX-Stays: 1\r\n' +
        `Content-Length: ${head.length}\r\n\r\n${head}`,
    );
    const { headers, body } = await client.ask(
      get(
        '/hops',
        'Connection: X-There, keep-alive\r\nX-There: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n' +
          'Proxy-Connection: x\r\nUpgrade: websocket\r\nTrailer: X-T\r\nX-Stays: 1\r\n',
      ),
    );
    const names = body
      .trim()
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(':')[0]?.toLowerCase());
    for (const name of ['x-there', 'connection', 'keep-alive', 'te', 'upgrade', 'trailer']) {
      expect(names).not.toContain(name);
    }
    expect(names).toContain('x-stays');
    for (const name of ['x-back', 'keep-alive', 'proxy-connection', 'upgrade', 'trailer']) {
      expect([name, headers.has(name)]).toEqual([name, false]);
    }
    expect([headers.get('x-stays'), headers.get('connection')]).toEqual(['1', 'keep-alive']);
  });

  test('with an absolute target send its host on, not the other one', async () => {
    client = await connectRaw(gateway.port);
    const reply = await client.ask(
      'GET http://real.test:8/all/x?y HTTP/1.1\r\nHost: other\r\n\r\n',
    );
    const { url, headers } = JSON.parse(reply.body);
    expect([url, headers.host]).toEqual(['/all/x?y', 'real.test:8']);
    expect(headers['x-forwarded-host']).toBe('real.test:8');
  });

  test('that are too large are refused: 431, and 414 for a target', async () => {
    const refused = async (head: string): Promise<number> => {
      client = await connectRaw(gateway.port);
      const { status } = await client.ask(head);
      await client.ended();
      return status;
    };
    expect(await refused(get(`/all/${'a'.repeat(9000)}`))).toBe(414);
    expect(await refused(get('/all/1', `X: ${'a'.repeat(40_000)}\r\n`))).toBe(431);
    expect(await refused(get('/all/1', 'X: y\r\n'.repeat(300)))).toBe(431);
    client = await connectRaw(gateway.port);
    expect((await client.ask(get('/all/1', 'X: y\r\n'.repeat(150)))).status).toBe(200);
  });

  test('that a plugin made invalid end in an error, for both sides of the gateway', async () => {
    const set = { 'bad name': '1' };
    const plugins = { sent: 'proxy-rewrite', back: 'response-rewrite' };
    client = await connectRaw(gateway.port);
    for (const [name, plugin] of Object.entries(plugins)) {
      await gateway.put(`/routes/${name}`, {
        uri: `/${name}`,
        upstream: upstreamOf(upstream.node),
        plugins: { [plugin]: { headers: { set } } },
      });
      // Once without a connection to the node, and once on one that is there.
      const route = get(`/${name}`);
      expect((await client.ask(route)).status).toBe(500);
      expect((await client.ask(get('/all/length'))).body).toBe('hello');
      expect((await client.ask(route)).status).toBe(500);
    }
  });
});
