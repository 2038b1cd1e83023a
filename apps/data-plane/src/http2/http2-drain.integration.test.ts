import http2 from 'node:http2';
import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Exchange } from '../request/exchange.ts';
import { answerOf, eventually, exchangeWith, sendText, startAcceptor } from './http2.harness.ts';
import type { RunningAcceptor } from './http2.harness.ts';

let running: RunningAcceptor;

afterEach(() => running.close());

test('draining loses no request, though they cross the goodbye on the wire', async () => {
  const held: Exchange[] = [];
  let served = 0;
  running = await startAcceptor((exchange) => {
    if (exchange.target === '/held') held.push(exchange);
    else {
      served += 1;
      sendText(exchange, 200, 'ok');
    }
  });
  const client = running.connect();
  const slow = exchangeWith(client, { ':path': '/held' });
  await eventually(() => held.length === 1);

  const answers: Promise<number>[] = [];
  let refusedLocally = 0;
  const sending = setInterval(() => {
    if (client.closed || client.destroyed) refusedLocally += 1;
    else answers.push(exchangeWith(client, { ':path': '/' }).then(({ status }) => status, refusal));
  }, 0);
  await eventually(() => answers.length > 20);
  const drained = running.acceptor.drain(10_000);
  await eventually(() => refusedLocally > 0);
  clearInterval(sending);
  // node:http2's client lets its own GOAWAY overtake requests: such are refused, unseen, to be repeated
  const results = await Promise.all(answers);
  expect(results.filter((one) => one !== 200 && one !== REFUSED)).toEqual([]);
  expect(served).toBe(results.filter((one) => one === 200).length);
  expect(results.filter((one) => one === REFUSED).length).toBeLessThan(3);
  expect(running.acceptor.connections).toBe(1);
  sendText(held[0] as Exchange, 200, 'at last');
  expect((await slow).body.toString()).toBe('at last');
  await drained;
  expect(running.acceptor.connections).toBe(0);
});

test('what is under way past the grace is cut', async () => {
  const held: Exchange[] = [];
  running = await startAcceptor((exchange) => void held.push(exchange));
  const client = running.connect();
  const answer = exchangeWith(client, { ':path': '/' }).catch((error: unknown) => error);
  await eventually(() => held.length === 1);
  await running.acceptor.drain(50);
  expect(running.acceptor.connections).toBe(0);
  expect(await answer).toBeInstanceOf(Error);
});

test('a client that connects while draining is served what it asked and then sent away', async () => {
  running = await startAcceptor((exchange) => sendText(exchange, 200, 'ok'));
  await running.acceptor.drain(1000);
  const client = running.connect();
  expect((await exchangeWith(client, { ':path': '/' })).status).toBe(200);
  await eventually(() => client.destroyed && running.acceptor.connections === 0);
});

test('a connection ends in good order after its last request', async () => {
  running = await startAcceptor((exchange) => sendText(exchange, 200, 'ok'), {
    limits: { http2RequestsMax: 5 },
  });
  const client = running.connect();
  let away: number | undefined;
  client.on('goaway', (code) => (away = code));
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => exchangeWith(client, { ':path': '/' })),
  );
  for (const { status } of answers) expect(status).toBe(200);
  await eventually(() => running.acceptor.connections === 0);
  expect(away).toBe(0);
});

test('a connection without requests is closed, before the first and after the last', async () => {
  running = await startAcceptor((exchange) => sendText(exchange, 200, 'ok'), {
    timeoutsMs: { header: 200, idle: 300 },
  });
  const silent = net.connect(running.port, '127.0.0.1').resume();
  await new Promise((resolve) => silent.once('close', resolve));
  const client = running.connect();
  expect((await exchangeWith(client, { ':path': '/' })).status).toBe(200);
  await eventually(() => client.destroyed);
  await eventually(() => running.acceptor.connections === 0);
});

test('a client that stops in the middle of its upload gets to know it', async () => {
  running = await startAcceptor(
    (exchange) => {
      exchange.body.stream({
        write: () => true,
        end: () => undefined,
        fail: () => sendText(exchange, 408, 'slow'),
      });
    },
    { timeoutsMs: { body: 200 } },
  );
  const client = running.connect();
  const stream = client.request({ ':path': '/', ':method': 'POST' });
  stream.write('a');
  expect((await answerOf(stream)).status).toBe(408);
});

test('a client that never opens its window is cut, its neighbour is not', async () => {
  const gone: string[] = [];
  running = await startAcceptor(
    (exchange) => {
      const piece = Buffer.alloc(64 * 1024);
      const go = (): void => {
        while (exchange.sendChunk(piece));
      };
      exchange.listen({
        onClientGone: () => gone.push(exchange.target),
        onClientDrained: go,
      });
      if (exchange.target === '/quick') {
        sendText(exchange, 200, 'ok');
        return;
      }
      sendHead(exchange);
      go();
    },
    { timeoutsMs: { send: 300 } },
  );
  const client = http2.connect(running.url, { settings: { initialWindowSize: 1000 } });
  client.on('error', () => undefined);
  const stalled = client.request({ ':path': '/stalled' });
  stalled.on('error', () => undefined);
  const quick = running.connect();
  await eventually(() => gone.length === 1);
  expect(gone).toEqual(['/stalled']);
  expect((await exchangeWith(quick, { ':path': '/quick' })).status).toBe(200);
  client.destroy();
});

test('a client that takes nothing of an answer that is complete on our side is cut', async () => {
  let served = 0;
  running = await startAcceptor(
    (exchange) => {
      served += 1;
      sendText(exchange, 200, 'x'.repeat(10_000));
    },
    { timeoutsMs: { send: 300 } },
  );
  const client = http2.connect(running.url, { settings: { initialWindowSize: 0 } });
  client.on('error', () => undefined);
  const stream = client.request({ ':path': '/' });
  await expect(answerOf(stream)).rejects.toThrow();
  expect(served).toBe(1);
  client.destroy();
});

test('a request has a limit for all of it', async () => {
  let gone = 0;
  running = await startAcceptor(
    (exchange) =>
      exchange.listen({ onClientGone: () => (gone += 1), onClientDrained: () => undefined }),
    { timeoutsMs: { total: 200 } },
  );
  await expect(exchangeWith(running.connect(), { ':path': '/' })).rejects.toThrow();
  await eventually(() => gone === 1);
});

const REFUSED = -1;

function refusal(error: Error): number {
  return error.message.includes('REFUSED_STREAM') ? REFUSED : 0;
}

function sendHead(exchange: Exchange): void {
  exchange.sendHead(200, exchange.headers);
}
