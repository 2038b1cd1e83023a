import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createSecureContext } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { createTestCertificates } from '@polygate/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NameResolver } from '../dns/name-resolver.ts';
import { createHttp2Transport } from '../proxy/http2-transport.ts';
import type { UpstreamTransport } from '../proxy/upstream-transport.ts';
import { Deadlines } from '../sockets/deadlines.ts';
import { compileUpstream } from '../upstream/compiled-upstream.ts';
import type { TimeoutsMs } from '../upstream/compiled-upstream.ts';
import { callUnary, echoClient, readAll, startEchoServer } from './grpc.harness.ts';
import type { EchoClient, EchoServer } from './grpc.harness.ts';
import { eventually, exchangeWith, proxyTo, startAcceptor } from './http2.harness.ts';
import type { RunningAcceptor } from './http2.harness.ts';

let transport: UpstreamTransport;
let echo: EchoServer | undefined;
let gateway: RunningAcceptor | undefined;
let client: EchoClient;
const cleanUps: (() => unknown)[] = [];

beforeEach(() => {
  transport = createHttp2Transport({
    names: new NameResolver({
      servers: undefined,
      validMs: undefined,
      timeoutMs: 1000,
      ipv6: true,
    }),
    deadlines: new Deadlines(),
    headLimits: { headBytesMax: 65_536, headersMax: 100 },
    keepalive: { size: 10, idleTimeoutMs: 60_000, requestsMax: 1000 },
    tlsServerName: true,
  });
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  transport.close();
  echo?.server.forceShutdown();
  await gateway?.close();
  echo = undefined;
  gateway = undefined;
});

interface GatewayOptions {
  readonly scheme?: 'grpc' | 'grpcs';
  readonly timeoutsMs?: Partial<TimeoutsMs>;
  readonly tls?: object;
}

async function startGateway(port: number, options: GatewayOptions = {}): Promise<void> {
  const { scheme = 'grpc', timeoutsMs, tls } = options;
  const compiled = compileUpstream({ scheme, nodes: { [`127.0.0.1:${port}`]: 1 } }, '1');
  const upstream = tls === undefined ? compiled : { ...compiled, tls: tls as never };
  const serve = proxyTo(transport, () => ({
    upstream,
    node: upstream.nodes[0] as (typeof upstream.nodes)[number],
    timeoutsMs: { connect: 5000, send: 5000, read: 5000, ...timeoutsMs },
  }));
  gateway = await startAcceptor(serve);
  client = echoClient(`127.0.0.1:${gateway.port}`);
  cleanUps.push(() => client.close());
}

async function startAll(options?: GatewayOptions & grpc.ServerOptions): Promise<EchoServer> {
  echo = await startEchoServer(undefined, options);
  await startGateway(echo.port, options);
  return echo;
}

test('a unary call, with its metadata and trailers', async () => {
  const server = await startAll();
  const metadata = new grpc.Metadata();
  metadata.set('x-call', 'one');
  metadata.set('x-data-bin', Buffer.from([0, 1, 255]));
  const { value, trailers } = await callUnary(client, 'unary', 'hello', { metadata });
  expect(value).toBe('HELLO');
  expect(trailers?.get('x-trailer')).toEqual(['bye']);
  expect(server.lastMetadata?.get('x-call')).toEqual(['one']);
  expect(server.lastMetadata?.get('x-data-bin')).toEqual([Buffer.from([0, 1, 255])]);
});

test('a call that fails tells code, message and metadata', async () => {
  await startAll();
  const { error, trailers } = await callUnary(client, 'fail', 'x');
  expect(error).toMatchObject({ code: grpc.status.FAILED_PRECONDITION, details: 'not today' });
  expect(trailers?.get('x-reason')).toEqual(['tired']);
});

test('a method that is not there: an answer of trailers only', async () => {
  const server = await startAll();
  server.server.removeService({ unary: { path: '/test.Echo/Unary' } } as never);
  const { error } = await callUnary(client, 'unary', 'x');
  expect(error?.code).toBe(grpc.status.UNIMPLEMENTED);
});

test('a stream from the server', async () => {
  await startAll();
  expect(await readAll(client.serverStream('1000'))).toHaveLength(1000);
});

test('a stream from the client', async () => {
  await startAll();
  const total = await new Promise((resolve, reject) => {
    const call = client.clientStream((error, value) => (error ? reject(error) : resolve(value)));
    for (let i = 0; i < 200; i++) call.write('x'.repeat(10_000));
    call.end();
  });
  expect(total).toBe('2000000');
});

test('a stream both ways: each message is answered before the next is sent', async () => {
  await startAll();
  const call = client.bidi();
  const answers: string[] = [];
  call.on('data', (value: string) => answers.push(value));
  for (let i = 0; i < 20; i++) {
    call.write(`${i}`);
    await eventually(() => answers.length === i + 1);
  }
  call.end();
  await new Promise((resolve) => call.once('end', resolve));
  expect(answers.at(-1)).toBe('echo 19');
});

test('many calls at once share connections, as many as the node allows on each', async () => {
  const server = await startAll({ 'grpc.max_concurrent_streams': 10 });
  await callUnary(client, 'unary', 'first');
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, i) => callUnary(client, 'unary', `v${i}`)),
  );
  expect(results.map(({ value }) => value)).toEqual(results.map((_, i) => `V${i}`));
  expect(server.peers.size).toBeLessThanOrEqual(5);
});

test('the deadline travels to the server, and its end cancels the call there', async () => {
  const server = await startAll();
  const { error } = await callUnary(client, 'never', 'x', { deadline: Date.now() + 300 });
  expect(error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
  expect(server.lastDeadline).not.toBe(Infinity);
  await eventually(() => server.cancelled.includes('/test.Echo/Never'));
});

test('a client that cancels cancels at the server, in the middle of a stream too', async () => {
  const server = await startAll();
  const call = client.bidi();
  call.on('error', () => undefined);
  const answered = new Promise((resolve) => call.once('data', resolve));
  call.write('one');
  await answered;
  call.cancel();
  await eventually(() => server.cancelled.includes('/test.Echo/Bidi'));
  expect((await callUnary(client, 'unary', 'next')).value).toBe('NEXT');
});

test('a server that goes away in good order loses no call', async () => {
  const first = await startAll();
  const call = client.bidi();
  const answers: string[] = [];
  call.on('data', (value: string) => answers.push(value));
  call.write('before');
  await eventually(() => answers.length === 1);
  const { port } = first;
  const gone = new Promise((resolve) => first.server.tryShutdown(resolve));
  call.write('after');
  await eventually(() => answers.length === 2);
  call.end();
  await gone;
  // the next server on that port gets the next call
  const second = new grpc.Server();
  cleanUps.push(() => second.forceShutdown());
  await new Promise((resolve) => {
    second.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), resolve);
  });
  expect((await callUnary(client, 'unary', 'x')).error?.code).toBe(grpc.status.UNIMPLEMENTED);
});

test('no node: the client gets 502, and knows that nothing was sent', async () => {
  await startGateway(1);
  const session = gateway!.connect();
  const answer = await exchangeWith(session, { ':path': '/a', ':method': 'POST' }, 'x');
  expect(answer.status).toBe(502);
  expect(answer.headers['x-error']).toBe('UPSTREAM_CONNECT_FAILED');
  expect(answer.headers['x-never-sent']).toBe('true');
  expect((await callUnary(client, 'unary', 'x')).error?.code).toBe(grpc.status.UNAVAILABLE);
});

const nodeSockets: net.Socket[] = [];

/** Accepts, and does with each stream what the test wants. */
async function startNode(
  onStream: (stream: http2.ServerHttp2Stream) => void,
  seen: http2.IncomingHttpHeaders[] = [],
): Promise<number> {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('connection', (socket: net.Socket) => nodeSockets.push(socket));
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    seen.push(headers);
    stream.on('error', () => undefined);
    onStream(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function post(): ReturnType<typeof exchangeWith> {
  return exchangeWith(gateway!.connect(), { ':path': '/a', ':method': 'POST' }, 'x');
}

test('a stream that the node refuses was never sent; one that it resets was', async () => {
  let code: number = http2.constants.NGHTTP2_REFUSED_STREAM;
  await startGateway(await startNode((stream) => stream.close(code)));
  expect((await post()).headers).toMatchObject({
    'x-error': 'UPSTREAM_PROTOCOL',
    'x-never-sent': 'true',
  });
  code = http2.constants.NGHTTP2_INTERNAL_ERROR;
  expect((await post()).headers).toMatchObject({
    'x-error': 'UPSTREAM_PROTOCOL',
    'x-never-sent': 'false',
  });
});

test('an answer that breaks off resets the client', async () => {
  await startGateway(
    await startNode((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('part', () => nodeSockets.at(-1)?.destroy());
    }),
  );
  await expect(post()).rejects.toThrow(/INTERNAL_ERROR/);
});

test('a node that says nothing runs into the read timeout', async () => {
  await startGateway(await startNode(() => undefined), { timeoutsMs: { read: 200 } });
  expect((await post()).headers['x-error']).toBe('UPSTREAM_READ_TIMEOUT');
});

test('a node that takes nothing runs into the send timeout', async () => {
  const port = await startNode((stream) => stream.pause());
  await startGateway(port, { timeoutsMs: { send: 200 } });
  const answer = await exchangeWith(
    gateway!.connect(),
    { ':path': '/a', ':method': 'POST' },
    Buffer.alloc(1024 * 1024),
  );
  expect(answer.headers['x-error']).toBe('UPSTREAM_SEND_TIMEOUT');
});

test('a node that accepts and never speaks runs into the connect or the read timeout', async () => {
  const mute = net.createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => mute.close());
  await startGateway((mute.address() as AddressInfo).port, {
    timeoutsMs: { read: 200, connect: 200 },
  });
  expect((await post()).headers['x-error']).toMatch(/^UPSTREAM_(READ|CONNECT)_TIMEOUT$/);
});

test('what the node gets: trailers promised, type and authority as the client sent them', async () => {
  const seen: http2.IncomingHttpHeaders[] = [];
  const port = await startNode(
    (stream) => stream.respond({ ':status': 200 }, { endStream: true }),
    seen,
  );
  await startGateway(port);
  const session = gateway!.connect();
  const call = { ':path': '/a?b', ':method': 'POST', ':authority': 'svc.test' };
  await exchangeWith(
    session,
    { ...call, 'content-type': 'application/grpc+json', te: 'trailers' },
    '',
  );
  await exchangeWith(
    session,
    { ...call, 'content-type': 'application/json', 'x-a': ['1', '2'] },
    '',
  );
  expect(seen[0]).toMatchObject({
    ':path': '/a?b',
    ':authority': 'svc.test',
    ':scheme': 'http',
    'content-type': 'application/grpc+json',
    te: 'trailers',
  });
  expect(seen[1]).toMatchObject({ 'content-type': 'application/grpc', 'x-a': '1, 2' });
});

test('grpcs: verified or not, with the name of the authority', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'polygate-grpcs-'));
  cleanUps.push(() => rm(dir, { recursive: true }));
  const files = await createTestCertificates(dir);
  const [ca, cert, key] = await Promise.all(
    [files.caFile, files.serverCertFile, files.serverKeyFile].map((file) => readFile(file)),
  );
  const credentials = grpc.ServerCredentials.createSsl(ca!, [
    { cert_chain: cert!, private_key: key! },
  ]);
  echo = await startEchoServer(credentials);
  await startGateway(echo.port, { scheme: 'grpcs' });
  expect((await callUnary(client, 'unary', 'tls')).value).toBe('TLS');
  await gateway!.close();

  const trusted = { identity: 'ca', verify: true, secureContext: createSecureContext({ ca: ca! }) };
  await startGateway(echo.port, { scheme: 'grpcs', tls: trusted });
  expect((await callUnary(client, 'unary', 'ca')).value).toBe('CA');
  await gateway!.close();

  const untrusted = { identity: 'none', verify: true, secureContext: undefined };
  await startGateway(echo.port, { scheme: 'grpcs', tls: untrusted });
  expect((await post()).headers['x-error']).toBe('UPSTREAM_CONNECT_FAILED');
});
