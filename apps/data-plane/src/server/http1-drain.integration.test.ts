import { rm } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { eventually, runGateway } from '../gateway.harness.ts';
import type { RunningGateway } from '../gateway.harness.ts';
import { connectRaw, startScriptedNode, upstreamOf } from './http1.harness.ts';
import type { NodeConnection, RawNode } from './http1.harness.ts';

const REQUEST = 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n';
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A gateway with two workers before a node that answers when it is told to. */
async function start(): Promise<{
  gateway: RunningGateway;
  raw: RawNode;
  waiting: NodeConnection[];
}> {
  const waiting: NodeConnection[] = [];
  const raw = await startScriptedNode((_, __, connection) => {
    waiting.push(connection);
    return undefined;
  });
  cleanups.push(() => raw.close());
  const gateway = await runGateway({ workers: 2 });
  cleanups.push(async () => {
    await gateway.store.close();
    await rm(gateway.folder, { recursive: true });
  });
  await gateway.put('/routes/slow', { uri: '/slow', upstream: upstreamOf(raw.node) });
  return { gateway, raw, waiting };
}

test('a stop loses no request in flight, closes what is idle, and takes nobody new', async () => {
  const { gateway, waiting } = await start();
  const clients = await Promise.all(Array.from({ length: 20 }, () => connectRaw(gateway.port)));
  const idle = await connectRaw(gateway.port);
  expect((await idle.ask('GET /none HTTP/1.1\r\nHost: a\r\n\r\n')).status).toBe(404);
  const half = await connectRaw(gateway.port);
  half.send(REQUEST.slice(0, 20));
  for (const client of clients) client.send(REQUEST);
  await eventually(() => waiting.length === 20);

  let isStopped = false;
  const stopped = gateway.plane.stop(20_000).then(() => (isStopped = true));
  await idle.ended();
  await eventually(() => connectRaw(gateway.port).then(refused, () => true));
  half.send(REQUEST.slice(20));
  await eventually(() => waiting.length === 21);
  expect(isStopped).toBe(false);

  // One byte of the answer before, the others after the stop has begun.
  for (const { socket } of waiting) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na');
  for (const { socket } of waiting) socket.write('ll');
  for (const client of [...clients, half]) {
    const { body, headers } = await client.reply();
    expect([body, headers.get('connection')]).toEqual(['all', 'close']);
    client.socket.end();
  }
  await stopped;
});

/** It was let in: by a listener that was about to close. */
function refused(client: Awaited<ReturnType<typeof connectRaw>>): boolean {
  client.socket.destroy();
  return false;
}

test('an answer that is still on its way to a slow client is finished', async () => {
  const { gateway, waiting } = await start();
  const client = await connectRaw(gateway.port);
  client.socket.pause();
  client.send(REQUEST);
  await eventually(() => waiting.length === 1);
  const size = 12 * 1024 * 1024;
  const { socket } = waiting[0] as NodeConnection;
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  socket.write(Buffer.alloc(size, 'x'));
  const stopped = gateway.plane.stop(20_000);
  await new Promise((resolve) => setTimeout(resolve, 300));
  client.socket.resume();
  expect((await client.reply()).body.length).toBe(size);
  client.socket.end();
  await stopped;
});

test('what has not ended after the grace is cut', async () => {
  const { gateway, waiting } = await start();
  const client = await connectRaw(gateway.port);
  client.send(REQUEST);
  await eventually(() => waiting.length === 1);
  await gateway.plane.stop(200);
  await client.ended();
  expect(client.text).toBe('');
});
