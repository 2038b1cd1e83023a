import http2 from 'node:http2';
import { afterEach, expect, test } from 'vitest';
import { GatewayError } from '@polygate/plugin-sdk';
import type { BodySink, Exchange } from '../request/exchange.ts';
import {
  answerOf,
  END_HEADERS,
  eventually,
  exchangeWith,
  fieldBlock,
  FRAME,
  frame,
  FrameClient,
  GET_FIELDS,
  headersOf,
  sendText,
  startAcceptor,
} from './http2.harness.ts';
import type { RunningAcceptor } from './http2.harness.ts';

let running: RunningAcceptor;

afterEach(() => running.close());

async function start(
  serve: (exchange: Exchange) => void,
  options?: Parameters<typeof startAcceptor>[1],
): Promise<http2.ClientHttp2Session> {
  running = await startAcceptor(serve, options);
  return running.connect();
}

const NOBODY = { onClientGone: () => undefined, onClientDrained: () => undefined };

function sink(part: Partial<BodySink>): BodySink {
  return { write: () => true, end: () => undefined, fail: () => undefined, ...part };
}

/** Sends chunk after chunk, as fast as the client takes them. */
function pump(exchange: Exchange, chunks: readonly Buffer[], whenSent: () => void): void {
  let next = 0;
  const go = (): void => {
    while (next < chunks.length) {
      if (!exchange.sendChunk(chunks[next++] as Buffer)) return;
    }
    exchange.end();
    whenSent();
  };
  exchange.listen({ onClientGone: () => undefined, onClientDrained: go });
  go();
}

test('a request comes with its head, its peers and without a body', async () => {
  let seen: Exchange | undefined;
  const client = await start((exchange) => {
    seen = exchange;
    sendText(exchange, 200, 'hello');
  });
  const answer = await exchangeWith(client, { ':path': '/a?b=1', 'x-one': '1', cookie: 'k=v' });
  expect(answer.status).toBe(200);
  expect(answer.body.toString()).toBe('hello');
  expect(answer.headers['content-length']).toBe('5');
  expect(seen).toMatchObject({
    method: 'GET',
    target: '/a?b=1',
    httpVersion: '2.0',
    scheme: 'http',
    tls: undefined,
    upgrade: undefined,
    client: { address: '127.0.0.1' },
    server: { address: '127.0.0.1', port: running.port },
  });
  expect(seen?.headers.get('host')).toBe(`127.0.0.1:${running.port}`);
  expect(seen?.headers.get('X-One')).toBe('1');
  expect(seen?.body.present).toBe(false);
  expect(seen?.bytesSent).toBeGreaterThan(5);
});

test('cookie crumbs become one line', async () => {
  const client = await start((exchange) => {
    sendText(exchange, 200, exchange.headers.getAll('cookie').join('|'));
  });
  const { body } = await exchangeWith(client, { ':path': '/', cookie: ['a=1', 'b=2', 'c=3'] });
  expect(body.toString()).toBe('a=1; b=2; c=3');
});

test('requests of one connection do not wait for each other', async () => {
  const held: Exchange[] = [];
  const client = await start((exchange) => {
    if (exchange.target === '/slow') held.push(exchange);
    else sendText(exchange, 200, exchange.target);
  });
  const slow = exchangeWith(client, { ':path': '/slow' });
  const quick = await Promise.all(
    Array.from({ length: 50 }, (_, i) => exchangeWith(client, { ':path': `/${i}` })),
  );
  expect(quick.map(({ body }) => body.toString())).toEqual(quick.map((_, i) => `/${i}`));
  await eventually(() => held.length === 1);
  sendText(held[0] as Exchange, 201, 'late');
  expect((await slow).status).toBe(201);
  expect(running.acceptor.connections).toBe(1);
});

test('an answer without a length ends with its stream, with or without trailers', async () => {
  const client = await start((exchange) => {
    exchange.sendHead(200, headersOf({ 'content-type': 'text/plain' }));
    if (exchange.target.includes('body')) exchange.sendChunk(Buffer.from('abc'));
    const end = (): void =>
      exchange.end(
        exchange.target.includes('trailers') ? headersOf({ 'Grpc-Status': '0' }) : undefined,
      );
    if (exchange.target.includes('later')) setTimeout(end, 20);
    else end();
  });
  for (const path of ['/', '/later', '/body', '/body/later']) {
    const plain = await exchangeWith(client, { ':path': path });
    expect(plain.body.toString()).toBe(path.includes('body') ? 'abc' : '');
    expect(plain.trailers).toBeUndefined();
    const withTrailers = await exchangeWith(client, { ':path': `${path}?trailers` });
    expect(withTrailers.body.toString()).toBe(path.includes('body') ? 'abc' : '');
    expect(withTrailers.trailers).toMatchObject({ 'grpc-status': '0' });
  }
});

test('a streamed answer is not held back', async () => {
  const client = await start((exchange) => {
    exchange.sendHead(200, headersOf({ 'content-type': 'text/event-stream' }));
    exchange.sendChunk(Buffer.from('data: 1\n\n'));
    setTimeout(() => exchange.end(), 60_000).unref();
  });
  const stream = client.request({ ':path': '/' });
  const [chunk] = (await new Promise<unknown[]>((resolve) => {
    stream.once('data', (...args) => resolve(args));
  })) as [Buffer];
  expect(chunk.toString()).toBe('data: 1\n\n');
});

test('HEAD, 204 and 304 have no body', async () => {
  const client = await start((exchange) => {
    const status = Number(exchange.target.slice(1));
    exchange.sendHead(status, headersOf(status === 204 ? {} : { 'content-length': '5' }));
    exchange.sendChunk(Buffer.from('12345'));
    exchange.end();
  });
  const head = await exchangeWith(client, { ':path': '/200', ':method': 'HEAD' });
  expect(head).toMatchObject({ status: 200, headers: { 'content-length': '5' } });
  expect(head.body.length).toBe(0);
  const notModified = await exchangeWith(client, { ':path': '/304' });
  expect(notModified).toMatchObject({ status: 304, headers: { 'content-length': '5' } });
  expect((await exchangeWith(client, { ':path': '/204' })).status).toBe(204);
});

test('103 comes before the answer', async () => {
  const client = await start((exchange) => {
    exchange.sendInformational(103, headersOf({ Link: '</a.css>' }));
    sendText(exchange, 200, 'x');
  });
  const stream = client.request({ ':path': '/' });
  const early: http2.IncomingHttpHeaders[] = [];
  stream.on('headers', (headers) => early.push(headers));
  expect((await answerOf(stream)).status).toBe(200);
  expect(early).toMatchObject([{ ':status': 103, link: '</a.css>' }]);
});

test('headers of an HTTP/1 connection do not reach the client', async () => {
  const client = await start((exchange) => {
    const hop = { Connection: 'keep-alive', 'Transfer-Encoding': 'chunked', 'Keep-Alive': '5' };
    exchange.sendHead(200, headersOf({ ...hop, 'X-Kept': 'ja', 'x-wide': 'Ċ' }));
    exchange.end();
  });
  const { headers } = await exchangeWith(client, { ':path': '/' });
  expect(Object.keys(headers).sort()).toEqual([':status', 'date', 'x-kept', 'x-wide']);
  expect(Buffer.from(headers['x-wide'] as string, 'latin1').toString()).toBe('Ċ');
});

test.each([
  ['x-nul', 'a\0x-injected\0b'],
  ['x-line', 'a\r\nx-injected: b'],
  ['x-lf', 'a\nb'],
  ['x b', 'c'],
])('a header that would split the answer is not sent: %j', async (name, value) => {
  const client = await start((exchange) => {
    expect(() => exchange.sendHead(200, headersOf({ [name]: value }))).toThrow(TypeError);
    exchange.destroy();
  });
  await expect(exchangeWith(client, { ':path': '/' })).rejects.toThrow(/INTERNAL_ERROR/);
});

test('big bodies go both ways at the pace of the slower side', async () => {
  const size = 5 * 1024 * 1024;
  const piece = Buffer.alloc(64 * 1024, 'z');
  let received = 0;
  let sentMax = 0;
  const client = await start((exchange) => {
    let paused = 0;
    exchange.body.stream(
      sink({
        write: (chunk) => {
          received += chunk.length;
          paused += 1;
          setImmediate(() => exchange.body.resume());
          return paused % 2 === 0;
        },
        end: () => {
          exchange.sendHead(200, headersOf({}));
          pump(exchange, Array<Buffer>(size / piece.length).fill(piece), () => undefined);
          sentMax = exchange.bytesSent;
        },
      }),
    );
  });
  const stream = client.request({ ':path': '/', ':method': 'POST' });
  stream.end(Buffer.alloc(size, 'y'));
  stream.pause();
  const answer = answerOf(stream);
  await eventually(() => received === size && sentMax > 0);
  // nobody reads: no more than windows and buffers may have been taken from the sender
  expect(sentMax).toBeLessThan(1024 * 1024);
  stream.resume();
  expect((await answer).body.length).toBe(size);
});

test.each([
  ['CANCEL', http2.constants.NGHTTP2_CANCEL],
  ['NO_ERROR', http2.constants.NGHTTP2_NO_ERROR],
])('a client that resets with %s is gone, once, and its upload fails', async (_name, code) => {
  const told: string[] = [];
  running = await startAcceptor((exchange) => {
    exchange.listen({ ...NOBODY, onClientGone: () => told.push('gone') });
    exchange.body.stream(
      sink({
        write: (chunk) => told.push(chunk.toString()) > 0,
        end: () => told.push('end'),
        fail: (error) => told.push((error as GatewayError).code),
      }),
    );
  });
  const client = FrameClient.open(running.port);
  client.send(frame(FRAME.headers, END_HEADERS, 1, fieldBlock(GET_FIELDS)));
  client.send(frame(FRAME.data, 0, 1, Buffer.from('part')));
  await eventually(() => told.length === 1);
  client.send(frame(FRAME.rst, 0, 1, Buffer.from([0, 0, 0, code])));
  await eventually(() => told.length === 3);
  expect(told.toSorted()).toEqual(['REQUEST_ABORTED', 'gone', 'part']);
  client.socket.destroy();
});

test('a body by Content-Length or without arrives whole, trailers included', async () => {
  const client = await start((exchange) => {
    const chunks: Buffer[] = [];
    exchange.body.stream(
      sink({
        write: (chunk) => chunks.push(chunk) > 0,
        end: (trailers) => {
          const text = Buffer.concat(chunks).toString();
          sendText(exchange, 200, `${exchange.body.length} ${text} ${trailers?.get('x-sum')}`);
        },
      }),
    );
  });
  const sized = await exchangeWith(
    client,
    { ':path': '/', ':method': 'POST', 'content-length': 3 },
    'abc',
  );
  expect(sized.body.toString()).toBe('3 abc undefined');
  const stream = client.request({ ':path': '/', ':method': 'POST' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7', host: 'b.test' }));
  stream.end('def');
  expect((await answerOf(stream)).body.toString()).toBe('undefined def 7');
});

test('a small body that came with its head is complete; one that is late is streamed', async () => {
  const client = await start((exchange) => {
    const { complete } = exchange.body;
    const chunks: Buffer[] = [];
    exchange.body.stream(
      sink({
        write: (chunk) => chunks.push(chunk) > 0,
        end: () => {
          const text = `${complete?.toString() ?? 'late'} ${Buffer.concat(chunks).toString()}`;
          sendText(exchange, 200, text);
        },
      }),
    );
  });
  const head = { ':path': '/', ':method': 'POST', 'content-length': 6 };
  expect((await exchangeWith(client, head, 'abcdef')).body.toString()).toBe('abcdef abcdef');
  const stream = client.request(head);
  const answer = answerOf(stream);
  stream.write('abc');
  setTimeout(() => stream.end('def'), 50);
  expect((await answer).body.toString()).toBe('late abcdef');
});

test('an answer before the end of the upload stops the client', async () => {
  const client = await start((exchange) => {
    exchange.listen(NOBODY);
    exchange.body.stream(sink({ write: () => false }));
    setTimeout(() => sendText(exchange, 401, 'no'), 20);
  });
  const stream = client.request({ ':path': '/', ':method': 'POST' });
  const timer = setInterval(() => stream.destroyed || stream.write(Buffer.alloc(16_384)), 1);
  const answer = await answerOf(stream);
  clearInterval(timer);
  expect(answer.status).toBe(401);
  expect(answer.body.toString()).toBe('no');
});

test('readAll holds up to its limit and no further', async () => {
  const client = await start((exchange) => {
    exchange.body.readAll(1000).then(
      (body) => sendText(exchange, 200, String(body.length)),
      (error: unknown) =>
        sendText(exchange, error instanceof GatewayError ? error.info.status : 500, ''),
    );
  });
  const post = { ':path': '/', ':method': 'POST' };
  expect((await exchangeWith(client, post, Buffer.alloc(1000))).body.toString()).toBe('1000');
  expect((await exchangeWith(client, post, Buffer.alloc(1001))).status).toBe(413);
  expect((await exchangeWith(client, post, Buffer.alloc(300_000))).status).toBe(413);
});

test('a streamed body over the limit of all bodies fails with 413', async () => {
  const client = await start(
    (exchange) => {
      exchange.body.stream(
        sink({ fail: (error) => sendText(exchange, (error as GatewayError).info.status, 'big') }),
      );
    },
    { bodyBytesMax: 10_000 },
  );
  const post = { ':path': '/', ':method': 'POST' };
  expect((await exchangeWith(client, post, Buffer.alloc(20_000))).status).toBe(413);
});

test('a small body over the limit fails with 413 too, whenever it is asked for', async () => {
  const client = await start(
    (exchange) => {
      setTimeout(() => {
        const fail = (error: Error) => sendText(exchange, (error as GatewayError).info.status, '');
        exchange.body.stream(sink({ fail }));
      }, 20);
    },
    { bodyBytesMax: 5 },
  );
  const head = { ':path': '/', ':method': 'POST', 'content-length': 6 };
  expect((await exchangeWith(client, head, 'abcdef')).status).toBe(413);
});

test('an answer that is cut, or not as long as it said, ends with a reset', async () => {
  const errors: unknown[] = [];
  const client = await start((exchange) => {
    exchange.sendHead(200, headersOf({ 'content-length': '10' }));
    try {
      exchange.sendChunk(Buffer.from(exchange.target === '/long' ? '12345678901' : '12345'));
      if (exchange.target === '/cut') exchange.destroy();
      else exchange.end();
    } catch (error) {
      errors.push(error);
      exchange.destroy();
    }
  });
  for (const path of ['/cut', '/short', '/long']) {
    await expect(exchangeWith(client, { ':path': path })).rejects.toThrow(/INTERNAL_ERROR/);
  }
  expect(errors).toHaveLength(2);
});
