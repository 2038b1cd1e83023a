// Test-only: an acceptor on a free port, a proxying `serve`, and a client that writes frames itself.
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { HeaderList } from '@polygate/plugin-sdk';
import type { UpstreamRequest, UpstreamTransport } from '../proxy/upstream-transport.ts';
import type { Exchange } from '../request/exchange.ts';
import { Deadlines } from '../sockets/deadlines.ts';
import { createHttp2Acceptor } from './http2-acceptor.ts';
import type { Http2Acceptor, Http2AcceptorOptions } from './http2-acceptor.ts';
import type { Http2Limits } from './http2-connection.ts';

export const TEST_LIMITS: Http2Limits = {
  http2StreamsMax: 128,
  http2RequestsMax: 100_000,
  http2ResetsMax: 500,
  http2ResetsWindowMs: 10_000,
  http2OverheadBytesMax: 1024 * 1024,
  http2InvalidFramesMax: 100,
  http2SessionBytesMax: 16 * 1024 * 1024,
};
export const TEST_TIMEOUTS = {
  header: 60_000,
  body: 60_000,
  send: 60_000,
  idle: 60_000,
  total: Infinity,
};

export interface RunningAcceptor {
  readonly port: number;
  readonly url: string;
  readonly acceptor: Http2Acceptor;
  /** Reasons of requests that never came to `serve`. */
  readonly refused: string[];
  /** What the log got. */
  readonly lines: string[];
  connect(): http2.ClientHttp2Session;
  close(): Promise<void>;
}

type Overrides = Omit<Partial<Http2AcceptorOptions>, 'limits' | 'timeoutsMs' | 'serve'> & {
  limits?: Partial<Http2Limits>;
  timeoutsMs?: Partial<typeof TEST_TIMEOUTS>;
};

export async function startAcceptor(
  serve: (exchange: Exchange) => void,
  { limits, timeoutsMs, ...more }: Overrides = {},
): Promise<RunningAcceptor> {
  const refused: string[] = [];
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const acceptor = createHttp2Acceptor({
    serve,
    onRefused: ({ reason }) => refused.push(reason),
    log: { debug: write, info: write, warn: write, error: write },
    deadlines: new Deadlines(),
    headLimits: { headBytesMax: 8192, headersMax: 50, targetBytesMax: 2048 },
    bodyBytesMax: Infinity,
    limits: { ...TEST_LIMITS, ...limits },
    timeoutsMs: { ...TEST_TIMEOUTS, ...timeoutsMs },
    ...more,
  });
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    acceptor.accept(socket, undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clients: http2.ClientHttp2Session[] = [];
  const url = `http://127.0.0.1:${port}`;
  return {
    port,
    url,
    acceptor,
    refused,
    lines,
    connect: () => {
      const client = http2.connect(url);
      client.on('error', () => undefined);
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) client.destroy();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface ClientAnswer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
  readonly body: Buffer;
}

/** Rejects where the stream was reset. */
export function exchangeWith(
  client: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer | string,
): Promise<ClientAnswer> {
  const stream = client.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return answerOf(stream);
}

export function answerOf(stream: http2.ClientHttp2Stream): Promise<ClientAnswer> {
  return new Promise((resolve, reject) => {
    let head: http2.IncomingHttpHeaders | undefined;
    let trailers: http2.IncomingHttpHeaders | undefined;
    const chunks: Buffer[] = [];
    stream.on('response', (headers) => (head = headers));
    stream.on('trailers', (headers) => (trailers = headers));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      if (head === undefined || stream.rstCode !== 0) {
        reject(new Error(`stream closed with code ${stream.rstCode}`));
        return;
      }
      const status = Number(head[':status']);
      resolve({ status, headers: head, trailers, body: Buffer.concat(chunks) });
    });
  });
}

export function headersOf(fields: Readonly<Record<string, string>>): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  return headers;
}

export function sendText(exchange: Exchange, status: number, text: string): void {
  const body = Buffer.from(text);
  exchange.sendHead(status, headersOf({ 'Content-Length': String(body.length) }));
  exchange.sendChunk(body);
  exchange.end();
}

/** The shortest gateway: one upstream, no plugins, no retries. */
export function proxyTo(
  transport: UpstreamTransport,
  requestFor: (exchange: Exchange) => Pick<UpstreamRequest, 'upstream' | 'node' | 'timeoutsMs'>,
): (exchange: Exchange) => void {
  return (exchange) => {
    const headers = new HeaderList();
    exchange.headers.forEach((name, value, lower) => {
      if (!['host', 'te', 'content-length'].includes(lower)) headers.append(name, value);
    });
    const { body } = exchange;
    const call = transport.send(
      {
        ...requestFor(exchange),
        method: exchange.method,
        target: exchange.target,
        host: exchange.headers.get('host') ?? '',
        headers,
        body: body.present ? (body.complete ?? body) : undefined,
        upgrade: undefined,
      },
      {
        onInformational: (status, list) => exchange.sendInformational(status, list),
        onHead: (status, list, isComplete) => exchange.sendHead(status, list, isComplete),
        onChunk: (chunk) => exchange.sendChunk(chunk),
        onEnd: (trailers) => exchange.end(trailers),
        onFailure: ({ error, neverSent, stale }) => {
          exchange.sendHead(
            502,
            headersOf({
              'x-error': (error as { code?: string }).code ?? error.message,
              'x-never-sent': String(neverSent),
              'x-stale': String(stale),
            }),
          );
          exchange.end();
        },
        onCut: () => exchange.destroy(),
        onTunnel: () => exchange.destroy(),
      },
    );
    exchange.listen({
      onClientGone: () => call.cancel(),
      onClientDrained: () => call.resume(),
    });
  };
}

// ---- frames

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rst: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK: every field as a literal that is not indexed, no Huffman code. */
export function fieldBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer[] => {
    const bytes = Buffer.from(value, 'latin1');
    const length = bytes.length < 127 ? [bytes.length] : [127, ...varint(bytes.length - 127)];
    return [Buffer.from(length), bytes];
  };
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0]), ...text(name), ...text(value)]),
  );
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

export const GET_FIELDS = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.test'],
] as const;

/** A client without a library: nothing stops it from breaking the protocol. */
export class FrameClient {
  readonly frames: Frame[] = [];
  readonly socket: net.Socket;
  isClosed = false;
  #rest: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => this.#parse(chunk));
    this.socket.on('close', () => (this.isClosed = true));
    this.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  }

  /** With a preface and its SETTINGS. */
  static open(port: number, settings: readonly (readonly [number, number])[] = []): FrameClient {
    const client = new FrameClient(port);
    const payload = Buffer.alloc(settings.length * 6);
    settings.forEach(([id, value], i) => {
      payload.writeUInt16BE(id, i * 6);
      payload.writeUInt32BE(value, i * 6 + 2);
    });
    client.send(frame(FRAME.settings, 0, 0, payload));
    return client;
  }

  /** False once the kernel's buffers are full, or the connection is gone. */
  send(...frames: readonly Buffer[]): boolean {
    return this.socket.writable && this.socket.write(Buffer.concat(frames));
  }

  request(stream: number, fields: readonly (readonly [string, string])[] = GET_FIELDS): void {
    this.send(frame(FRAME.headers, END_HEADERS | END_STREAM, stream, fieldBlock(fields)));
  }

  of(type: number, stream?: number): Frame[] {
    return this.frames.filter((one) => {
      return one.type === type && (stream === undefined || one.stream === stream);
    });
  }

  /** The code of the last GOAWAY. */
  get goawayCode(): number | undefined {
    return this.of(FRAME.goaway).at(-1)?.payload.readUInt32BE(4);
  }

  resetCode(stream: number): number | undefined {
    return this.of(FRAME.rst, stream)[0]?.payload.readUInt32BE(0);
  }

  #parse(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      this.frames.push({
        type: this.#rest[3] as number,
        flags: this.#rest[4] as number,
        stream: this.#rest.readUInt32BE(5) & 0x7fffffff,
        payload: this.#rest.subarray(9, 9 + length),
      });
      this.#rest = this.#rest.subarray(9 + length);
    }
  }
}

/** Until it holds; the test's own time limit ends it otherwise. */
export async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
