import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runGateway } from '../gateway.harness.ts';
import type { RunningGateway } from '../gateway.harness.ts';
import { connectRaw, startScriptedNode, upstreamOf } from './http1.harness.ts';

let gateway: RunningGateway;
let server: WebSocketServer;
let node: string;
const open: WebSocket[] = [];

beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  gateway = await runGateway({});
  node = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, isBinary) => {
      if (data.toString() === 'close') socket.close(4001, 'as asked');
      else socket.send(data, { binary: isBinary });
    });
  });
});
afterAll(async () => {
  for (const socket of server.clients) socket.terminate();
  server.close();
  await gateway.stop();
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.terminate();
});

async function route(name: string, more: object): Promise<void> {
  const path = join(gateway.folder, `${name}.log`);
  await gateway.put(`/routes/${name}`, {
    uri: `/${name}`,
    upstream: upstreamOf(node),
    plugins: { 'file-logger': { path, log_format: { status: '$status' } } },
    ...more,
  });
}
async function logged(name: string): Promise<string[]> {
  const path = join(gateway.folder, `${name}.log`);
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

interface Heard {
  readonly socket: WebSocket;
  readonly messages: Buffer[];
  closed: { code: number; reason: string } | undefined;
  pongs: number;
}

async function connect(name: string): Promise<Heard> {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/${name}`, 'chat');
  open.push(socket);
  const heard: Heard = { socket, messages: [], closed: undefined, pongs: 0 };
  socket.on('message', (data: Buffer) => heard.messages.push(data));
  socket.on('pong', () => (heard.pongs += 1));
  socket.on('close', (code, reason) => (heard.closed = { code, reason: String(reason) }));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return heard;
}

describe('WebSocket through the gateway', () => {
  test('carries messages both ways, small, empty, large, and pings', async () => {
    await route('both', { enable_websocket: true });
    const { socket, messages } = await connect('both');
    expect(socket.protocol).toBe('chat');
    const large = Buffer.alloc(9_000_000, 'abcdefg');
    const sent = [Buffer.from('hi'), Buffer.alloc(0), large, Buffer.from('after')];
    for (const data of sent) socket.send(data);
    await eventually(() => messages.length === sent.length);
    expect(messages.map((data, i) => data.equals(sent[i] as Buffer))).toEqual(sent.map(() => true));
    const heard = await connect('both');
    heard.socket.ping();
    await eventually(() => heard.pongs === 1);
  });

  test('ends from either side, and is logged once', async () => {
    await route('ends', { enable_websocket: true });
    const byNode = await connect('ends');
    byNode.socket.send('close');
    await eventually(() => byNode.closed !== undefined);
    expect(byNode.closed).toEqual({ code: 4001, reason: 'as asked' });
    await eventually(async () => (await logged('ends')).length === 1);

    const byClient = await connect('ends');
    const before = server.clients.size;
    byClient.socket.close(4002);
    await eventually(() => byClient.closed?.code === 4002);
    await eventually(() => server.clients.size < before);
    await eventually(async () => (await logged('ends')).length === 2);

    const byCut = await connect('ends');
    byCut.socket.terminate();
    await eventually(async () => (await logged('ends')).length === 3);
    for (const line of await logged('ends')) expect(JSON.parse(line).status).toBe(101);
  });

  test('ends when nothing was said for the read timeout', async () => {
    const timeout = { connect: 1, send: 1, read: 0.3 };
    await route('idle', { enable_websocket: true, timeout });
    const heard = await connect('idle');
    await eventually(() => heard.closed !== undefined);
    expect(heard.closed?.code).toBe(1006);
    await eventually(async () => (await logged('idle')).length === 1);
  });

  test('is a plain request to the node where the route has no enable_websocket', async () => {
    await route('plain', {});
    await expect(connect('plain')).rejects.toThrow('Unexpected server response: 426');
  });
});

describe('other upgrades', () => {
  const upgrade = (fields: string): string =>
    `GET /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n${fields}\r\n`;

  test('what the client sends too early and the node sends along are not lost', async () => {
    const raw = await startScriptedNode((n) =>
      n === 1
        ? 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: shout\r\nConnection: upgrade\r\n\r\nHELLO'
        : undefined,
    );
    await gateway.put('/routes/raw', {
      uri: '/raw',
      upstream: upstreamOf(raw.node),
      enable_websocket: true,
    });
    const client = await connectRaw(gateway.port);
    client.send(`${upgrade('Upgrade: shout\r\n')}early`);
    const reply = await client.reply();
    expect([reply.status, reply.headers.get('upgrade')]).toEqual([101, 'shout']);
    await eventually(() => client.text === 'HELLO');
    await eventually(() => raw.connections[0]?.text.endsWith('\r\n\r\nearly') === true);
    client.socket.end();
    await client.ended();
    await raw.close();
  });

  test('HTTP/2 is not asked of the node, nor anything with a body on its way', async () => {
    const raw = await startScriptedNode(() => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await gateway.put('/routes/raw', {
      uri: '/raw',
      upstream: upstreamOf(raw.node),
      enable_websocket: true,
    });
    const client = await connectRaw(gateway.port);
    const h2c = 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n';
    expect((await client.ask(upgrade(h2c))).status).toBe(200);
    client.send(upgrade('Upgrade: websocket\r\nContent-Length: 5\r\n'));
    await eventually(() => raw.connections[0]?.text.includes('Content-Length: 5') === true);
    client.send('hello');
    await client.reply();
    expect(raw.connections.map(({ text }) => text).join('')).not.toMatch(/upgrade/i);
    client.socket.destroy();
    await raw.close();
  });

  test('a client that closes has its node close, too', async () => {
    const raw = await startScriptedNode(() => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    const put = (enabled: boolean): Promise<void> =>
      gateway.put('/routes/raw', {
        uri: '/raw',
        upstream: upstreamOf(raw.node),
        enable_websocket: enabled,
      });
    const ask = async (connection: string): Promise<void> => {
      const client = await connectRaw(gateway.port);
      const head = `GET /raw HTTP/1.1\r\nHost: a\r\nConnection: ${connection}\r\n\r\n`;
      expect((await client.ask(head)).status).toBe(200);
      client.socket.destroy();
    };
    await put(true);
    await ask('Close');
    await ask('keep-alive');
    await put(false);
    await ask('close');
    const heard = raw.connections.map(({ text }) => text);
    // the first is not used again, the second is
    expect(heard.map((text) => text.match(/^GET/gm)?.length)).toEqual([1, 2]);
    expect(heard[0]).toContain('\r\nConnection: close\r\n');
    expect(heard[1]).not.toMatch(/connection:/i);
    await raw.close();
  });
});
