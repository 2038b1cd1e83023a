import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../gateway.harness.ts';
import { listen, pauseReading, readAccepted, readOptions, resumeReading } from './byte-socket.ts';
import type { ByteReceiver } from './byte-socket.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

class Collector implements ByteReceiver {
  text = '';
  ends = 0;
  closes: (Error | undefined)[] = [];
  takes = true;
  onBytes(buffer: Buffer, length: number): boolean {
    this.text += buffer.toString('latin1', 0, length);
    return this.takes;
  }
  onEnd(): void {
    this.ends += 1;
  }
  onClose(error: Error | undefined): void {
    this.closes.push(error);
  }
}

/** A client's connection, accepted and paused. */
async function accept(): Promise<{ client: Socket; accepted: Socket }> {
  let accepted: Socket | undefined;
  const options = { pauseOnConnect: true, allowHalfOpen: true, noDelay: true };
  const server = net.createServer(options, (socket) => (accepted = socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  client.on('error', () => undefined);
  cleanups.push(() => {
    client.destroy();
    server.close();
  });
  await eventually(() => accepted !== undefined);
  return { client, accepted: accepted as unknown as Socket };
}

describe('an accepted socket', () => {
  test('is read, what came before included, and can be written to', async () => {
    const { client, accepted } = await accept();
    client.write('early ');
    const receiver = new Collector();
    const socket = readAccepted(accepted, receiver);
    cleanups.push(() => socket.destroy());
    expect(receiver.text).toBe('');
    resumeReading(socket);
    client.write('late');
    await eventually(() => receiver.text === 'early late');
    let answer = '';
    client.on('data', (chunk) => (answer += chunk.toString()));
    socket.write('hello');
    await eventually(() => answer === 'hello');
  });

  test('is not read while paused, from within or from without, and loses nothing', async () => {
    const { client, accepted } = await accept();
    const receiver = new Collector();
    const socket = readAccepted(accepted, receiver);
    cleanups.push(() => socket.destroy());
    resumeReading(socket);
    receiver.takes = false;
    client.write('a');
    await eventually(() => receiver.text === 'a');
    const more = 'b'.repeat(300_000);
    client.write(more);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(receiver.text).toBe('a');
    receiver.takes = true;
    resumeReading(socket);
    await eventually(() => receiver.text.length === 300_001);
    pauseReading(socket);
    client.write('c');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(receiver.text.endsWith('b')).toBe(true);
    resumeReading(socket);
    await eventually(() => receiver.text.endsWith('c'));
  });

  test('tells of an end, stays writable, and closes once', async () => {
    const { client, accepted } = await accept();
    const receiver = new Collector();
    const socket = readAccepted(accepted, receiver);
    resumeReading(socket);
    client.end('bye');
    await eventually(() => receiver.ends === 1);
    expect([receiver.text, receiver.closes]).toEqual(['bye', []]);
    let answer = '';
    client.on('data', (chunk) => (answer += chunk.toString()));
    socket.end('answer');
    await eventually(() => receiver.closes.length === 1);
    expect([answer, receiver.closes]).toEqual(['answer', [undefined]]);
  });

  test('tells why it closed', async () => {
    const { client, accepted } = await accept();
    const receiver = new Collector();
    resumeReading(readAccepted(accepted, receiver));
    client.resetAndDestroy();
    await eventually(() => receiver.closes.length === 1);
    expect((receiver.closes[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
  });

  test('shares its buffer with the others without mixing bytes', async () => {
    const pairs = await Promise.all(Array.from({ length: 8 }, accept));
    const receivers = pairs.map(({ accepted }) => {
      const receiver = new Collector();
      const socket = readAccepted(accepted, receiver);
      resumeReading(socket);
      cleanups.push(() => socket.destroy());
      return receiver;
    });
    pairs.forEach(({ client }, i) => client.write(String(i).repeat(500_000)));
    await eventually(() => receivers.every(({ text }) => text.length === 500_000));
    expect(receivers.map(({ text }) => new Set(text).size)).toEqual(receivers.map(() => 1));
  });
});

test('a connection of our own is read into its own buffer, and is told of a failure', async () => {
  const server = net.createServer((socket) => socket.end('welcome'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver = new Collector();
  const socket = net.connect({ port, host: '127.0.0.1', ...readOptions() });
  listen(socket, receiver);
  await eventually(() => receiver.ends === 1);
  expect(receiver.text).toBe('welcome');
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));

  const refused = new Collector();
  listen(net.connect({ port, host: '127.0.0.1', ...readOptions() }), refused);
  await eventually(() => refused.closes.length === 1);
  expect((refused.closes[0] as NodeJS.ErrnoException).code).toBe('ECONNREFUSED');
});
