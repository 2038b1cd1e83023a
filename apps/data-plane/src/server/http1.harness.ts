// Test-only: a client that says exactly these bytes, and a node that answers exactly those.
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { eventually } from '../gateway.harness.ts';

export interface RawReply {
  readonly status: number;
  /** Names in lower case, in order, several values joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly head: string;
  /** Latin-1. */
  readonly body: string;
  /** Behind a chunked body. */
  readonly trailers: string;
}

/** Bytes are Latin-1 text: a character a byte. */
export class RawClient {
  readonly socket: Socket;
  /** Received and not yet taken by `reply`. */
  text = '';
  receivedBytes = 0;
  hasEnded = false;
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.receivedBytes += chunk.length;
      this.text += chunk.toString('latin1');
    });
    socket.on('end', () => (this.hasEnded = true));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.isClosed = true));
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** In as many segments: each is given the time to leave by itself. */
  async sendBytewise(text: string): Promise<void> {
    for (const byte of Buffer.from(text, 'latin1')) {
      if (this.socket.destroyed || this.hasEnded) return;
      this.socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Sends, and waits for the answer. */
  ask(text: string | Buffer, isHead = false): Promise<RawReply> {
    this.send(text);
    return this.reply(isHead);
  }

  /** The next answer, 1xx included, is taken off. Rejects where the connection ends before it does. */
  async reply(isHead = false): Promise<RawReply> {
    let taken: { reply: RawReply; length: number } | undefined;
    await eventually(() => {
      taken = parseReply(this.text, isHead, this.hasEnded || this.isClosed);
      if (taken === undefined && (this.hasEnded || this.isClosed)) {
        throw new Error(`connection ended after ${JSON.stringify(this.text.slice(0, 500))}`);
      }
      return taken !== undefined;
    });
    const { reply, length } = taken as NonNullable<typeof taken>;
    this.text = this.text.slice(length);
    return reply;
  }

  async ended(): Promise<void> {
    await eventually(() => this.hasEnded || this.isClosed);
  }
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const client = new RawClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return client;
}

function parseReply(
  text: string,
  isHead: boolean,
  isOver: boolean,
): { reply: RawReply; length: number } | undefined {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = text.slice(0, headEnd);
  const headers = new Map<string, string>();
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(': ');
    const name = line.slice(0, colon).toLowerCase();
    const before = headers.get(name);
    const value = line.slice(colon + 2);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  const start = headEnd + 4;
  const done = (body: string, length: number, trailers = ''): ReturnType<typeof parseReply> => ({
    reply: { status, headers, head, body, trailers },
    length,
  });
  if (isHead || status < 200 || status === 204 || status === 304) return done('', start);
  const length = headers.get('content-length');
  if (length !== undefined) {
    const end = start + Number(length);
    return text.length < end ? undefined : done(text.slice(start, end), end);
  }
  if (headers.get('transfer-encoding') !== 'chunked') {
    return isOver ? done(text.slice(start), text.length) : undefined;
  }
  let body = '';
  for (let at = start; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) {
      if (text.startsWith('\r\n', lineEnd + 2)) return done(body, lineEnd + 4);
      const end = text.indexOf('\r\n\r\n', lineEnd);
      return end === -1 ? undefined : done(body, end + 4, text.slice(lineEnd + 2, end));
    }
    if (text.length < lineEnd + 4 + size) return undefined;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 4 + size;
  }
}

/** A connection that the gateway opened to a node. */
export interface NodeConnection {
  readonly socket: Socket;
  /** All that the gateway sent. */
  text: string;
  receivedBytes: number;
  isClosed: boolean;
}

export interface RawNode {
  readonly node: string;
  readonly connections: readonly NodeConnection[];
  close(): Promise<void>;
}

/** `onBytes` is called with every segment, after it was added to `connection.text`. */
export async function startRawNode(
  onBytes: (connection: NodeConnection, chunk: string) => void,
  onConnection: (connection: NodeConnection) => void = () => undefined,
): Promise<RawNode> {
  const connections: NodeConnection[] = [];
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection: NodeConnection = { socket, text: '', receivedBytes: 0, isClosed: false };
    connections.push(connection);
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.on('close', () => (connection.isClosed = true));
    onConnection(connection);
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      connection.receivedBytes += chunk.length;
      if (connection.text.length < 1_000_000) connection.text += text;
      onBytes(connection, text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    node: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    close: () =>
      new Promise((resolve) => {
        for (const { socket } of connections) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Answers every head without a body with `answer(nth request of all, its head)`. */
export function startScriptedNode(
  answer: (request: number, head: string, connection: NodeConnection) => string | undefined,
): Promise<RawNode> {
  let requests = 0;
  const rests = new WeakMap<NodeConnection, string>();
  return startRawNode((connection, chunk) => {
    let rest = (rests.get(connection) ?? '') + chunk;
    for (let end = rest.indexOf('\r\n\r\n'); end !== -1; end = rest.indexOf('\r\n\r\n')) {
      const text = answer(++requests, rest.slice(0, end + 4), connection);
      rest = rest.slice(end + 4);
      if (text !== undefined) connection.socket.write(Buffer.from(text, 'latin1'));
    }
    rests.set(connection, rest);
  });
}

export const upstreamOf = (...nodes: string[]): object => ({
  type: 'roundrobin',
  nodes: Object.fromEntries(nodes.map((node) => [node, 1])),
});
