import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { createTestCertificates } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import type { Exchange, TlsSession } from '../request/exchange.ts';
import {
  answerOf,
  eventually,
  exchangeWith,
  headersOf,
  sendText,
  startAcceptor,
} from './http2.harness.ts';
import type { RunningAcceptor } from './http2.harness.ts';

const PIECE = Buffer.alloc(64 * 1024, 'p');
/** So little that any miscount would cut an honest client. */
const STRICT = { limits: { http2OverheadBytesMax: 16 * 1024 } };
let running: RunningAcceptor;
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  await running.close();
});

function download(exchange: Exchange, pieces: number): void {
  let left = pieces;
  const go = (): void => {
    while (left > 0) {
      left -= 1;
      if (!exchange.sendChunk(PIECE)) return;
    }
    exchange.end();
  };
  exchange.listen({ onClientGone: () => undefined, onClientDrained: go });
  exchange.sendHead(200, headersOf({}));
  go();
}

test('a client that downloads much is no flood, nor is one whose uploads nobody reads', async () => {
  running = await startAcceptor((exchange) => {
    if (exchange.method === 'GET') download(exchange, 300);
    else sendText(exchange, 401, 'no');
  }, STRICT);
  const client = running.connect();
  for (let round = 0; round < 3; round++) {
    const uploads = Array.from({ length: 30 }, () =>
      exchangeWith(client, { ':path': '/', ':method': 'POST' }, Buffer.alloc(60_000)),
    );
    for (const { status } of await Promise.all(uploads)) expect(status).toBe(401);
    const { body } = await exchangeWith(client, { ':path': '/' });
    expect(body.length).toBe(300 * PIECE.length);
  }
  // longer than the connection takes to look at itself
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect((await exchangeWith(client, { ':path': '/' })).status).toBe(200);
  expect(running.lines).toEqual([]);
});

test('one stream that nobody reads does not hold up the others', async () => {
  running = await startAcceptor((exchange) => download(exchange, 20));
  const client = running.connect();
  const lazy = client.request({ ':path': '/lazy' });
  lazy.pause();
  const lazyAnswer = answerOf(lazy);
  for (let i = 0; i < 5; i++) {
    expect((await exchangeWith(client, { ':path': '/' })).body.length).toBe(20 * PIECE.length);
  }
  lazy.resume();
  expect((await lazyAnswer).body.length).toBe(20 * PIECE.length);
});

test('many uploads that wait are held within their windows, and go on later', async () => {
  const waiting: Exchange[] = [];
  let bytes = 0;
  running = await startAcceptor((exchange) => {
    waiting.push(exchange);
    exchange.body.stream({
      write: (chunk) => {
        bytes += chunk.length;
        return exchange.target === '/go';
      },
      end: () => sendText(exchange, 200, 'done'),
      fail: () => undefined,
    });
  });
  const client = running.connect();
  const answers = Array.from({ length: 50 }, () =>
    exchangeWith(client, { ':path': '/', ':method': 'POST' }, Buffer.alloc(300_000)),
  );
  await eventually(() => waiting.length === 50);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(bytes).toBeLessThan(50 * 128 * 1024);
  const timer = setInterval(() => waiting.forEach(({ body }) => body.resume()), 1);
  for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
  clearInterval(timer);
  expect(bytes).toBe(50 * 300_000);
});

test('over TLS the same: ALPN, scheme and session', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'polygate-h2-'));
  cleanUps.push(() => rm(dir, { recursive: true }));
  const files = await createTestCertificates(dir);
  const [ca, cert, key] = await Promise.all(
    [files.caFile, files.serverCertFile, files.serverKeyFile].map((file) => readFile(file)),
  );
  const session: TlsSession = {
    serverName: 'localhost',
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    isResumed: false,
    clientVerify: 'NONE',
    clientCertificate: () => undefined,
  };
  const seen: Exchange[] = [];
  running = await startAcceptor((exchange) => {
    seen.push(exchange);
    download(exchange, 100);
  }, STRICT);
  const server = tls.createServer(
    { cert: cert!, key: key!, ALPNProtocols: ['h2'], pauseOnConnect: true },
    (socket) => running.acceptor.accept(socket, session),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = http2.connect(`https://localhost:${port}`, { ca: ca! });
  cleanUps.push(() => client.destroy());
  const { body } = await exchangeWith(client, { ':path': '/' });
  expect(body.length).toBe(100 * PIECE.length);
  expect(seen[0]).toMatchObject({ scheme: 'https', tls: session });
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect((await exchangeWith(client, { ':path': '/' })).body.length).toBe(100 * PIECE.length);
  client.close();
  await eventually(() => running.acceptor.connections === 0);
});
