import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from './gateway.harness.ts';
import type { RunningGateway } from './gateway.harness.ts';
import { callUnary, echoClient, readAll, startEchoServer } from './http2/grpc.harness.ts';
import type { EchoClient, EchoServer } from './http2/grpc.harness.ts';
import { exchangeWith } from './http2/http2.harness.ts';

let gateway: RunningGateway;
let echo: EchoServer;
let client: EchoClient;

beforeEach(async () => {
  gateway = await runGateway({});
  echo = await startEchoServer();
  client = echoClient(`127.0.0.1:${gateway.port}`);
  await gateway.put('/routes/grpc', {
    uri: '/test.Echo/*',
    upstream: { scheme: 'grpc', nodes: { [`127.0.0.1:${echo.port}`]: 1 } },
  });
});

afterEach(async () => {
  client.close();
  echo.server.forceShutdown();
  await gateway.stop();
});

test('all four kinds of call go through the gateway', async () => {
  const { value, trailers } = await callUnary(client, 'unary', 'hello');
  expect(value).toBe('HELLO');
  expect(trailers?.get('x-trailer')).toEqual(['bye']);

  expect(await readAll(client.serverStream('100'))).toHaveLength(100);

  const total = await new Promise((resolve, reject) => {
    const call = client.clientStream((error, sum) => (error ? reject(error) : resolve(sum)));
    for (let i = 0; i < 50; i++) call.write('x'.repeat(10_000));
    call.end();
  });
  expect(total).toBe('500000');

  const call = client.bidi();
  const answers: string[] = [];
  call.on('data', (answer: string) => answers.push(answer));
  for (let i = 0; i < 5; i++) {
    call.write(`${i}`);
    await eventually(() => answers.length === i + 1);
  }
  call.end();
  await new Promise((resolve) => call.once('end', resolve));
  expect(answers).toEqual(['echo 0', 'echo 1', 'echo 2', 'echo 3', 'echo 4']);
});

test("a call's failure, deadline and cancellation", async () => {
  const failed = await callUnary(client, 'fail', 'x');
  expect(failed.error).toMatchObject({
    code: grpc.status.FAILED_PRECONDITION,
    details: 'not today',
  });
  const late = await callUnary(client, 'never', 'x', { deadline: Date.now() + 300 });
  expect(late.error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
  await eventually(() => echo.cancelled.includes('/test.Echo/Never'));
  const call = client.bidi();
  call.on('error', () => undefined);
  const answered = new Promise((resolve) => call.once('data', resolve));
  call.write('one');
  await answered;
  call.cancel();
  await eventually(() => echo.cancelled.includes('/test.Echo/Bidi'));
});

test('plugins see gRPC calls: a refusal is plain HTTP, which the client understands', async () => {
  await gateway.put('/routes/guarded', {
    uri: '/test.Echo/Unary',
    plugins: { 'key-auth': {} },
    upstream: { scheme: 'grpc', nodes: { [`127.0.0.1:${echo.port}`]: 1 } },
  });
  await gateway.put('/consumers/jack', {
    username: 'jack',
    plugins: { 'key-auth': { key: 'auth-one' } },
  });
  const refused = await callUnary(client, 'unary', 'x');
  expect(refused.error?.code).toBe(grpc.status.UNAUTHENTICATED);
  const metadata = new grpc.Metadata();
  metadata.set('apikey', 'auth-one');
  expect((await callUnary(client, 'unary', 'x', { metadata })).value).toBe('X');
});

test('a node that is not there is UNAVAILABLE, a route that is not there UNIMPLEMENTED', async () => {
  await gateway.put('/routes/grpc', {
    uri: '/test.Echo/Unary',
    upstream: { scheme: 'grpc', nodes: { '127.0.0.1:1': 1 } },
  });
  expect((await callUnary(client, 'unary', 'x')).error?.code).toBe(grpc.status.UNAVAILABLE);
  expect((await callUnary(client, 'fail', 'x')).error?.code).toBe(grpc.status.UNIMPLEMENTED);
});

test.each([
  ['pass', {}, 'svc.test'],
  ['node', {}, 'the node'],
  ['rewrite', { upstream_host: 'hello.world' }, 'hello.world'],
])('the authority that a node sees follows pass_host: %s', async (passHost, more, expected) => {
  const seen: string[] = [];
  const node = http2.createServer();
  node.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    seen.push(String(headers[':authority']));
    stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true });
  });
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(node.address() as AddressInfo).port}`;
  await gateway.put('/routes/host', {
    uri: '/host/*',
    upstream: { scheme: 'grpc', pass_host: passHost, nodes: { [address]: 1 }, ...more },
  });
  const session = http2.connect(`http://127.0.0.1:${gateway.port}`);
  const head = { ':path': '/host/a', ':method': 'POST', ':authority': 'svc.test' };
  const { status, headers } = await exchangeWith(session, head, '');
  expect({ status, grpc: headers['grpc-status'] }).toEqual({ status: 200, grpc: '0' });
  expect(seen).toEqual([expected === 'the node' ? address : expected]);
  session.destroy();
  node.close();
});

test('an HTTP/1 client may call a node of gRPC', async () => {
  const reply = await gateway.get('/test.Echo/Unary', { method: 'POST', body: '\0\0\0\0\0' });
  expect(reply.status).toBe(200);
  expect(reply.headers['content-type']).toBe('application/grpc+proto');
});

test('an HTTP/2 client in clear text reaches an HTTP/1 upstream', async () => {
  const upstream = await startUpstream();
  await gateway.put('/routes/plain', {
    uri: '/plain/*',
    upstream: { nodes: { [upstream.node]: 1 } },
  });
  const session = http2.connect(`http://127.0.0.1:${gateway.port}`);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      exchangeWith(
        session,
        { ':path': `/plain/${i}?q`, ':method': 'POST', cookie: ['a=1', 'b=2'] },
        `body ${i}`,
      ),
    ),
  );
  answers.forEach(({ status, body }, i) => {
    expect(status).toBe(200);
    const seen = JSON.parse(body.toString());
    expect(seen).toMatchObject({ method: 'POST', url: `/plain/${i}?q`, body: `body ${i}` });
    expect(seen.headers).toMatchObject({
      host: `127.0.0.1:${gateway.port}`,
      cookie: 'a=1; b=2',
      'x-forwarded-for': '127.0.0.1',
    });
  });
  expect((await exchangeWith(session, { ':path': '/nowhere' })).status).toBe(404);
  session.destroy();
  await upstream.close();
});
