import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { connectRunnerService, waitUntilConnected } from './clients.ts';
import { MESSAGE_BYTES_MAX, type ClientTls } from './connect-options.ts';
import { RpcError } from './errors.ts';
import {
  RunnerState,
  type ConnectRequest,
  type ConnectResponse,
  type ListRunnersResponse,
  type RunnerServiceClient,
  type RunnerServiceServer,
} from './gen/polygate/runner/v1/runner.ts';
import { checkHealth } from './health.ts';
import {
  runnerService,
  startGrpcServer,
  type GrpcServer,
  type GrpcServerOptions,
} from './server.ts';
import { readClientTls, readServerTls } from './tls-files.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function tempDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'polygate-rpc-'));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const runners: ListRunnersResponse = {
  runners: [
    {
      name: 'r',
      state: RunnerState.READY,
      generation: 1,
      plugins: ['say'],
      instances: [],
      callsInFlight: 2,
      callsWaiting: 0,
      confsHeld: 3,
      confTokens: 3,
      recentRestarts: [{ atMs: 1700000000000, index: 0, generation: 1, reason: 'exit code 1' }],
      pluginCalls: [],
      lastLines: [],
    },
  ],
};

/** Answers each message with the bodies it got. */
const echo: RunnerServiceServer = {
  connect: (call) => {
    call.on('data', ({ frames }: ConnectRequest) => {
      call.write({
        frames: frames.map(({ callId, frame }) => {
          const body =
            frame?.$case === 'extraInfoAnswer'
              ? (frame.value.result ?? Buffer.alloc(0))
              : Buffer.alloc(0);
          return {
            callId,
            frame: { $case: 'responseResult', value: { status: 0, headers: [], body } },
          };
        }),
      });
    });
    call.on('end', () => call.end());
  },
  listRunners: (_call, callback) => callback(null, runners),
  restartRunner: (_call, callback) => callback(null, { generation: 2 }),
  watchRunnerLog: (call) => call.end(),
  recordCalls: (call) => call.end(),
};

async function start(options: Partial<GrpcServerOptions> = {}): Promise<GrpcServer> {
  const server = await startGrpcServer({
    address: '127.0.0.1:0',
    services: [runnerService(echo)],
    ...options,
  });
  cleanups.push(() => server.stop(0));
  return server;
}

function list(client: RunnerServiceClient): Promise<ListRunnersResponse> {
  return new Promise((resolve, reject) => {
    client.listRunners({}, (error, response) =>
      error === null ? resolve(response) : reject(RpcError.from(error)),
    );
  });
}

/** Sends one body through the stream and returns the one that comes back. */
function echoBody(client: RunnerServiceClient, body: Buffer): Promise<Buffer> {
  const stream = client.connect();
  return new Promise<Buffer>((resolve, reject) => {
    stream.on('error', (error) => reject(RpcError.from(error)));
    stream.on('data', ({ frames }: ConnectResponse) => {
      const frame = frames[0]?.frame;
      resolve(frame?.$case === 'responseResult' ? frame.value.body : Buffer.alloc(0));
      stream.end();
    });
    stream.write({
      frames: [{ callId: 1, frame: { $case: 'extraInfoAnswer', value: { result: body } } }],
    });
  });
}

test('a server on port 0 says which port it got and answers there', async () => {
  const server = await start();
  expect(server.address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  const client = connectRunnerService({ address: server.address });
  cleanups.push(() => client.close());
  await waitUntilConnected(client, 5000);
  expect(await list(client)).toEqual(runners);
});

test('a body of 16 MiB fits a message, one above the limit is RESOURCE_EXHAUSTED', async () => {
  const server = await start();
  const client = connectRunnerService({ address: server.address });
  cleanups.push(() => client.close());
  const body = Buffer.alloc(16_777_215, 5);
  expect((await echoBody(client, body)).equals(body)).toBe(true);
  await expect(echoBody(client, Buffer.alloc(MESSAGE_BYTES_MAX))).rejects.toMatchObject({
    status: 'RESOURCE_EXHAUSTED',
  });
});

test('a unix socket is open to its user only and replaces one left by a dead process', async () => {
  const path = join(tempDirectory(), 'private', 'rpc.sock');
  const first = await start({ address: `unix:${path}` });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  await expect(start({ address: `unix:${path}` })).rejects.toThrow(/a server listens on/);
  await first.stop(0);
  // what kill -9 leaves behind: a socket file nobody listens on
  const listenAndDie = `require('net').createServer()
    .listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', listenAndDie, path]);
  expect(statSync(path).isSocket()).toBe(true);
  const second = await start({ address: `unix:${path}` });
  expect(await checkHealth({ address: second.address })).toBe(true);
});

test('a path that is no socket is never removed', async () => {
  const path = join(tempDirectory(), 'precious');
  writeFileSync(path, 'data');
  await expect(start({ address: `unix:${path}` })).rejects.toThrow(/is not a socket/);
  expect(readFileSync(path, 'utf8')).toBe('data');
});

test('a taken port is an RpcError', async () => {
  const server = await start();
  await expect(start({ address: server.address })).rejects.toBeInstanceOf(RpcError);
});

test('health follows setServing, and stop ends it', async () => {
  const server = await start();
  const service = 'polygate.runner.v1.RunnerService';
  expect(await checkHealth({ address: server.address })).toBe(true);
  expect(await checkHealth({ address: server.address, service })).toBe(true);
  server.setServing(service, false);
  expect(await checkHealth({ address: server.address, service })).toBe(false);
  expect(await checkHealth({ address: server.address })).toBe(true);
  await expect(checkHealth({ address: server.address, service: 'none' })).rejects.toMatchObject({
    status: 'NOT_FOUND',
  });
  await server.stop(0);
  await expect(checkHealth({ address: server.address, timeoutMs: 500 })).rejects.toBeInstanceOf(
    RpcError,
  );
});

test('stop breaks a stream that outlives the grace time', async () => {
  const server = await start();
  const client = connectRunnerService({ address: server.address });
  cleanups.push(() => client.close());
  const stream = client.connect();
  const broken = new Promise<RpcError>((resolve) =>
    stream.on('error', (error) => resolve(RpcError.from(error))),
  );
  stream.on('data', () => undefined);
  await waitUntilConnected(client, 5000);
  stream.write({ frames: [] });
  await server.stop(50);
  expect((await broken).status).toBe('UNAVAILABLE');
});

test('waitUntilConnected gives up where nobody listens', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  await new Promise((resolve) => silent.close(resolve));
  const client = connectRunnerService({ address: `127.0.0.1:${port}` });
  cleanups.push(() => client.close());
  await expect(waitUntilConnected(client, 200)).rejects.toMatchObject({ status: 'UNAVAILABLE' });
});

/** Of a server that is known by this address or name. */
function makeCertificate(subjectAltName: string) {
  const directory = tempDirectory();
  const file = (name: string) => join(directory, name);
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', file('key.pem'), '-out', file('cert.pem'), '-days', '2'],
      ...['-subj', '/CN=test', '-addext', `subjectAltName=${subjectAltName}`],
    ],
    { stdio: 'ignore' },
  );
  return { certFile: file('cert.pem'), keyFile: file('key.pem') };
}

test.each([
  ['name', 'DNS:localhost', 'localhost'],
  ['address', 'IP:127.0.0.1', undefined],
])('with TLS both sides show a certificate, the server by its %s', async (_, san, serverName) => {
  const pair = makeCertificate(san);
  const caFile = pair.certFile;
  const server = await start({ tls: readServerTls({ ...pair, clientCaFile: caFile }) });
  const check = (tls: ClientTls | undefined): Promise<boolean> =>
    checkHealth({ address: server.address, tls, timeoutMs: 2000 });
  expect(await check(readClientTls({ ...pair, caFile, serverName }))).toBe(true);

  const stranger = makeCertificate(san);
  for (const refused of [
    undefined,
    readClientTls({ caFile, serverName }),
    readClientTls({ ...stranger, caFile, serverName }),
    readClientTls({ ...pair, caFile: stranger.certFile, serverName }),
    readClientTls({ ...pair, caFile, serverName: 'other.test' }),
  ]) {
    await expect(check(refused)).rejects.toBeInstanceOf(RpcError);
  }
});

test('a server that is known by another address is not trusted', async () => {
  const pair = makeCertificate('IP:127.0.0.2');
  const caFile = pair.certFile;
  const server = await start({ tls: readServerTls({ ...pair, clientCaFile: caFile }) });
  const tls = readClientTls({ ...pair, caFile });
  await expect(
    checkHealth({ address: server.address, tls, timeoutMs: 2000 }),
  ).rejects.toBeInstanceOf(RpcError);
});
