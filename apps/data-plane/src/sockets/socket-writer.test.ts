import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../gateway.harness.ts';
import { CertificateWorkshop, hasOpenssl } from '../tls/certificates.fixture.ts';
import { readAccepted, resumeReading } from './byte-socket.ts';
import { SocketWriter } from './socket-writer.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Link {
  readonly socket: Socket;
  readonly writer: SocketWriter;
  readonly reader: Socket;
  drains: number;
}

/** A connection whose one end writes as the gateway does. */
async function link(kind: 'plain' | 'tls', onDrained: () => void = () => undefined): Promise<Link> {
  const workshop = kind === 'tls' ? new CertificateWorkshop() : undefined;
  const pair = workshop?.authority('/CN=a').issue('/CN=a.test', { names: ['a.test'] });
  let accepted: Socket | undefined;
  const server =
    pair === undefined
      ? net.createServer({ pauseOnConnect: true, allowHalfOpen: true })
      : tls.createServer(pair);
  server.on(kind === 'tls' ? 'secureConnection' : 'connection', (socket: Socket) => {
    accepted = readAccepted(socket, {
      onBytes: () => true,
      onEnd: () => undefined,
      onClose: () => undefined,
    });
    resumeReading(accepted);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const reader =
    kind === 'tls'
      ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : net.connect(port, '127.0.0.1');
  reader.on('error', () => undefined);
  await eventually(() => accepted !== undefined);
  const socket = accepted as unknown as Socket;
  const made: Link = {
    socket,
    reader,
    drains: 0,
    writer: new SocketWriter(socket, () => {
      made.drains += 1;
      onDrained();
    }),
  };
  cleanups.push(() => {
    reader.destroy();
    socket.destroy();
    server.close();
    workshop?.dispose();
  });
  return made;
}

/** Bytes that tell whose they are and where they belong. */
function pattern(seed: number, at: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = ((at + i) * 31 + ((at + i) >> 8) * 7 + seed) & 0xff;
  return bytes;
}

const kinds: ('plain' | 'tls')[] = hasOpenssl() ? ['plain', 'tls'] : ['plain'];

describe.each(kinds)('a writer to a %s socket', (kind) => {
  test('puts what is small together, in order', async () => {
    const { writer, reader, socket } = await link(kind);
    const received: Buffer[] = [];
    reader.on('data', (chunk: Buffer) => received.push(chunk));
    writer.writeText('head\xe9 ');
    expect(writer.writeBytes(Buffer.from('body '))).toBe(true);
    writer.writeText('tail ');
    writer.writeBytes(Buffer.alloc(100_000, 'L'));
    writer.writeText('end');
    socket.write('');
    await eventually(() => Buffer.concat(received).length === 100_019);
    const text = Buffer.concat(received).toString('latin1');
    expect(text).toBe(`head\xe9 body tail ${'L'.repeat(100_000)}end`);
    expect(received[0]?.subarray(0, 10).toString('latin1')).toBe('head\xe9 body');
    expect(writer.bytesWritten).toBe(100_019);
  });

  test('gives the memory back at once where it says so', async () => {
    const { writer, reader } = await link(kind);
    const received: Buffer[] = [];
    reader.on('data', (chunk: Buffer) => received.push(chunk));
    const mine = Buffer.from('first');
    expect(writer.writeBytes(mine)).toBe(true);
    mine.fill('X');
    writer.flush();
    await eventually(() => Buffer.concat(received).toString() === 'first');
  });

  test('tells when the other side does not take it, and when it does again', async () => {
    const made = await link(kind);
    const { writer, reader, socket } = made;
    reader.pause();
    let sent = 0;
    while (!writer.isBlocked) {
      writer.writeBytes(pattern(1, sent, 60_000));
      sent += 60_000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(made.drains).toBe(0);
    expect(socket.writableLength).toBeLessThan(1_000_000);
    let at = 0;
    let isRight = true;
    reader.on('data', (chunk: Buffer) => {
      isRight &&= chunk.equals(pattern(1, at, chunk.length));
      at += chunk.length;
    });
    reader.resume();
    await eventually(() => at === sent && made.drains === 1);
    expect([isRight, writer.isBlocked]).toEqual([true, false]);
  });

  test('is full also where only text waits', async () => {
    const made = await link(kind);
    const { writer, reader } = made;
    reader.pause();
    while (!writer.isFull) {
      writer.writeText('x'.repeat(8000));
      writer.flush();
      await new Promise((resolve) => setImmediate(resolve));
    }
    reader.resume();
    await eventually(() => made.drains === 1);
    expect(writer.isFull).toBe(false);
  });

  test('after the socket was destroyed does no harm', async () => {
    const { writer, socket } = await link(kind);
    writer.writeText('a');
    writer.writeBytes(Buffer.from('b'));
    socket.destroy();
    writer.writeBytes(Buffer.alloc(100_000));
    writer.flush();
    await eventually(() => socket.closed);
  });
});

test.each(kinds)(
  'many writers to %s sockets share memory, and every byte is right',
  async (kind) => {
    const LINKS = 12;
    const BYTES = 3_000_000;
    const wake: (() => void)[] = [];
    const links = await Promise.all(
      Array.from({ length: LINKS }, (_, i) => link(kind, () => wake[i]?.())),
    );
    const done = links.map(async ({ writer, reader }, seed) => {
      let at = 0;
      let isRight = true;
      const scratch = Buffer.alloc(70_000);
      reader.on('data', (chunk: Buffer) => {
        isRight &&= chunk.equals(pattern(seed, at, chunk.length));
        at += chunk.length;
        if (seed % 3 !== 0) return;
        reader.pause();
        setTimeout(() => reader.resume(), seed % 2);
      });
      for (let sent = 0, turn = seed; sent < BYTES; turn++) {
        const size = [1, 17, 900, 5000, 8192, 8193, 20_000, 66_000][turn % 8] as number;
        const length = Math.min(size, BYTES - sent);
        const bytes = pattern(seed, sent, length);
        sent += length;
        if (turn % 5 === 0 && length < 6000) {
          writer.writeText(bytes.toString('latin1'));
        } else {
          const chunk = scratch.subarray(0, length);
          chunk.set(bytes);
          if (!writer.writeBytes(chunk)) {
            await new Promise<void>((resolve) => (wake[seed] = resolve));
          }
          // The memory is ours again.
          chunk.fill(0xee);
        }
        if (turn % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (turn % 7 === 0) writer.flush();
      }
      writer.flush();
      await eventually(() => at === BYTES || !isRight);
      return isRight;
    });
    expect(await Promise.all(done)).toEqual(links.map(() => true));
  },
);
