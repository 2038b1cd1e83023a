import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from './gateway.harness.ts';
import type { RunningGateway } from './gateway.harness.ts';

let gateway: RunningGateway;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  gateway = await runGateway({});
});
afterAll(() => gateway.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A port where nobody listens. */
async function deadNode(): Promise<string> {
  const upstream = await startUpstream();
  await upstream.close();
  return upstream.node;
}

/** Takes connections and says nothing. */
async function silentNode(): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const LOGGED = [
  'upstream_addr',
  'upstream_unresolved_host',
  'balancer_ip',
  'upstream_connect_time',
  'upstream_bytes_sent',
  'upstream_bytes_received',
  'upstream_status',
  'original_x_forwarded_proto',
  'original_x_forwarded_host',
  'original_x_forwarded_port',
  'original_forwarded',
];

/** Puts a route whose variables are told to a log server; gives what was logged last. */
async function logged(
  id: string,
  upstream: object,
  headers: Record<string, string> = {},
): Promise<Record<string, string>> {
  const entries: string[] = [];
  const log = await startUpstream((message, response) => {
    message.on('data', (chunk: Buffer) => entries.push(chunk.toString()));
    message.on('end', () => response.end());
  });
  cleanups.push(() => log.close());
  const format = Object.fromEntries(LOGGED.map((name) => [name, `$${name}`]));
  const logger = { uri: `http://${log.node}/`, batch_max_size: 1, log_format: format };
  await gateway.put(`/routes/${id}`, {
    uri: `/${id}`,
    plugins: { 'http-logger': logger },
    upstream,
  });
  await gateway.get(`/${id}`, { headers });
  await eventually(() => entries.length > 0);
  return JSON.parse(entries.join(''));
}

test('what tries did to their connections is listed, a try a value', async () => {
  const node = await startUpstream((_, response) => response.end('x'.repeat(1000)));
  cleanups.push(() => node.close());
  const nodes = [
    { host: '127.0.0.1', port: Number((await deadNode()).split(':')[1]), weight: 1, priority: 1 },
    { host: '127.0.0.1', port: Number(node.node.split(':')[1]), weight: 1, priority: 0 },
  ];
  const entry = await logged('tries', { type: 'roundrobin', nodes });
  expect(entry['upstream_status']).toBe('502, 200');
  expect(entry['upstream_connect_time']).toMatch(/^-, \d\.\d{3}$/);
  expect(entry['upstream_bytes_sent']).toMatch(/^0, \d{3}$/);
  const received = Number(entry['upstream_bytes_received']?.split(', ')[1]);
  expect(received).toBeGreaterThan(1000);
  expect(received).toBeLessThan(1500);
});

test('bytes are those of the request, and connecting takes no time, where a connection is kept', async () => {
  const node = await startUpstream((_, response) => response.end('x'.repeat(1000)));
  cleanups.push(() => node.close());
  const upstream = { type: 'roundrobin', nodes: { [node.node]: 1 } };
  const first = await logged('kept', upstream);
  const second = await logged('kept', upstream);
  expect(second['upstream_connect_time']).toBe('0.000');
  expect(second['upstream_bytes_sent']).toBe(first['upstream_bytes_sent']);
  expect(second['upstream_bytes_received']).toBe(first['upstream_bytes_received']);
  expect(node.requests[0]?.socket).toBe(node.requests[1]?.socket);
});

test('a node that is a name is logged with the address it was reached at', async () => {
  const node = await startUpstream((_, response) => response.end());
  cleanups.push(() => node.close());
  const port = node.node.split(':')[1];
  const upstream = { type: 'roundrobin', nodes: { [`localhost:${port}`]: 1 } };
  const entry = await logged('named', upstream);
  expect(entry['upstream_addr']).toBe(`127.0.0.1:${port}`);
  expect(entry['balancer_ip']).toBe('127.0.0.1');
  expect(entry['upstream_unresolved_host']).toBe('localhost');
});

test('what clients say of themselves is there after it was replaced', async () => {
  const node = await startUpstream((_, response) => response.end());
  cleanups.push(() => node.close());
  const upstream = { type: 'roundrobin', nodes: { [node.node]: 1 } };
  const entry = await logged('forwarded', upstream, {
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'evil.test',
    'X-Forwarded-Port': '8443',
    Forwarded: 'for=1.2.3.4',
  });
  expect(entry).toMatchObject({
    original_x_forwarded_proto: 'https',
    original_x_forwarded_host: 'evil.test',
    original_x_forwarded_port: '8443',
    original_forwarded: 'for=1.2.3.4',
  });
  expect(node.requests[0]?.headers).toMatchObject({ 'x-forwarded-proto': 'http' });
});

test('after retry_timeout no other node is tried, and the answer is 502', async () => {
  const other = await startUpstream();
  cleanups.push(() => other.close());
  const nodeOf = (address: string, priority: number): object => ({
    host: '127.0.0.1',
    port: Number(address.split(':')[1]),
    weight: 1,
    priority,
  });
  const upstream = {
    type: 'roundrobin',
    nodes: [nodeOf(await silentNode(), 1), nodeOf(other.node, 0)],
    retries: 1,
    timeout: { connect: 1, send: 1, read: 0.3 },
  };
  await gateway.put('/routes/late', {
    uri: '/late',
    upstream: { ...upstream, retry_timeout: 0.1 },
  });
  expect((await gateway.get('/late')).status).toBe(502);
  expect(other.requests).toHaveLength(0);
  await gateway.put('/routes/late', { uri: '/late', upstream: { ...upstream, retry_timeout: 9 } });
  expect((await gateway.get('/late')).status).toBe(200);
});

test('a route without an upstream is answered with 503, one whose upstream is gone with 502', async () => {
  await gateway.put('/routes/none', { uri: '/none', plugins: {} });
  await gateway.put('/routes/gone', { uri: '/gone', upstream_id: 'gone' });
  expect((await gateway.get('/none')).status).toBe(503);
  expect((await gateway.get('/gone')).status).toBe(502);
});
