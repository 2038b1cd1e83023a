import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface HostileUpstream {
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  close(): Promise<void>;
}

type Behaviour = (socket: Socket, keepAlive: () => void) => void;

const LARGE_BYTES = 1024 * 1024;
const LARGE = Buffer.alloc(LARGE_BYTES, 'large ');
const DRIP_MS = 20;
const DRIPS = 10;

const head = (...lines: string[]): string =>
  `${['HTTP/1.1 200 OK', ...lines].join('\r\n')}\r\n\r\n`;

/** First part of the path → what it does once it has the request's head. */
const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  ok: (socket, keepAlive) => {
    socket.write(`${head('Content-Length: 12')}hello, world`);
    keepAlive();
  },
  chunked: (socket, keepAlive) => {
    socket.write(`${head('Transfer-Encoding: chunked')}5\r\nhello\r\n`);
    socket.write('7;ext=1\r\n, world\r\n0\r\nX-Trailer: 1\r\n\r\n');
    keepAlive();
  },
  large: (socket, keepAlive) => {
    socket.write(head(`Content-Length: ${LARGE_BYTES}`));
    socket.write(LARGE);
    keepAlive();
  },
  drip: (socket) => {
    socket.write(head(`Content-Length: ${DRIPS}`));
    drip(socket, 'x'.repeat(DRIPS));
  },
  'drip-head': (socket) => drip(socket, `${head('Content-Length: 0', 'Connection: close')}`),
  stall: () => undefined,
  'stall-body': (socket) => void socket.write(`${head('Content-Length: 100')}only this`),
  reset: (socket) => void socket.resetAndDestroy(),
  'reset-body': (socket) => {
    socket.write(`${head('Content-Length: 100')}only this`, () => socket.resetAndDestroy());
  },
  'too-short': (socket) => void socket.end(`${head('Content-Length: 100')}only this`),
  'too-long': (socket) =>
    void socket.write(`${head('Content-Length: 5')}hello, and more than said`),
  'bad-chunk': (socket) => {
    socket.write(`${head('Transfer-Encoding: chunked')}zz\r\nhello\r\n0\r\n\r\n`);
  },
  'two-lengths': (socket) => {
    socket.write(`${head('Content-Length: 5', 'Content-Length: 7')}hello, world`);
  },
  garbage: (socket) => void socket.end('this is not HTTP at all\r\n\r\n'),
  'no-length': (socket) => void socket.end(`${head('Connection: close')}until the end`),
  early: (socket) => {
    // without having read the body
    socket.pause();
    socket.end(`${head('Content-Length: 5', 'Connection: close')}early`);
  },
};

export const BEHAVIOUR_NAMES = Object.keys(BEHAVIOURS);
/** Those that answer 200 with a whole body. */
export const KIND_BEHAVIOURS = ['ok', 'chunked', 'large', 'drip', 'no-length'] as const;

/** An upstream that does to its clients what the path asks for; anything else is `ok`. */
export async function startHostileUpstream(): Promise<HostileUpstream> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // resets are what this is about
    socket.on('error', () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', 4096, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return sockets.size;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Reads heads and skips bodies of a known length or in chunks. Its clients are no attackers. */
function serve(socket: Socket): void {
  let pending = '';
  let skipBytes = 0;
  let behaving = false;
  const look = (): void => {
    while (!behaving) {
      const skipped = Math.min(skipBytes, pending.length);
      pending = pending.slice(skipped);
      skipBytes -= skipped;
      const end = pending.indexOf('\r\n\r\n');
      if (end === -1) return;
      const request = pending.slice(0, end);
      const isChunked = /^transfer-encoding:.*chunked/im.test(request);
      const bodyEnd = isChunked ? pending.indexOf('0\r\n\r\n', end + 4) : end;
      const name = /^\S+ \/([\w-]+)/.exec(request)?.[1] ?? '';
      // an early answer does not wait for the body
      if (bodyEnd === -1 && name !== 'early') return;
      skipBytes = Number(/^content-length: *(\d+)/im.exec(request)?.[1] ?? 0);
      pending = pending.slice(isChunked ? bodyEnd + 5 : end + 4);
      behaving = true;
      const behave = BEHAVIOURS[name] ?? BEHAVIOURS['ok'];
      behave?.(socket, () => (behaving = false));
    }
  };
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    pending += text;
    look();
  });
}

function drip(socket: Socket, text: string): void {
  let sent = 0;
  const timer = setInterval(() => {
    if (sent >= text.length || socket.destroyed) {
      clearInterval(timer);
      socket.end();
      return;
    }
    const step = Math.ceil(text.length / DRIPS);
    socket.write(text.slice(sent, sent + step));
    sent += step;
  }, DRIP_MS);
}
