import {
  connectControlService,
  type ControlConnectRequest,
  type ControlConnectResponse,
  controlService,
  type GrpcServer,
  RPC_STATUS,
  startGrpcServer,
} from '@polygate/rpc';
import { afterEach, expect, test, vi } from 'vitest';
import { ControlService, type ControlServiceOptions } from './control-service.ts';

const ignore = () => undefined;
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: Partial<ControlServiceOptions> = {}) {
  const service = new ControlService({ log, ...options });
  const services = [controlService(service.implementation)];
  const server: GrpcServer = await startGrpcServer({ address: '127.0.0.1:0', services });
  cleanups.push(() => server.stop(0));
  return { service, address: server.address };
}

/** A data plane's end of the stream, with what came down it. */
function dial(address: string) {
  const client = connectControlService({ address });
  cleanups.push(() => client.close());
  const stream = client.connect();
  const commands: ControlConnectResponse['command'][] = [];
  let ended: number | undefined;
  stream.on('data', ({ command }: ControlConnectResponse) => commands.push(command));
  stream.on('error', ({ code }: { code?: number }) => (ended ??= code));
  stream.on('end', () => (ended ??= RPC_STATUS.OK.code));
  const send = (report: ControlConnectRequest['report']) => stream.write({ report });
  const hello = (instanceId: string) =>
    send({ $case: 'hello', value: { instanceId, hostname: 'host', version: '1.0' } });
  return { stream, commands, send, hello, status: () => ended };
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 10 });

test('a data plane is listed with what it reports, and forgotten when it leaves', async () => {
  const { service, address } = await start();
  const { stream, hello, send } = dial(address);
  hello('dp-1');
  const rejected = [
    { key: '/routes/1', revision: 7, reason: 'bad', keepsOlderVersion: true },
    { key: '/routes/2', revision: 8, reason: 'x'.repeat(5000), keepsOlderVersion: false },
  ];
  send({ $case: 'applied', value: { revision: 9, rejected } });
  send({ $case: 'pluginSet', value: { generation: 3, names: ['key-auth', 'echo'] } });
  await until(() => expect(service.list()[0]?.plugin_set).toMatchObject({ generation: 3 }));
  expect(service.list()).toEqual([
    {
      instance_id: 'dp-1',
      hostname: 'host',
      version: '1.0',
      connected_at: expect.any(Number),
      applied_revision: 9,
      applied_at: expect.any(Number),
      rejected_total: 2,
      rejected: [
        { key: '/routes/2', revision: 8, reason: 'x'.repeat(500), keeps_older_version: false },
        { key: '/routes/1', revision: 7, reason: 'bad', keeps_older_version: true },
      ],
      plugin_set: { generation: 3, names: ['key-auth', 'echo'] },
    },
  ]);
  stream.cancel();
  await until(() => expect(service.list()).toEqual([]));
});

test('a reload reaches every connected data plane, and each that connects later', async () => {
  const { service, address } = await start();
  const first = dial(address);
  first.hello('dp-1');
  await until(() => expect(service.list()).toHaveLength(1));
  const command = { generation: 5, names: ['echo'] };
  service.reloadPlugins(command);
  const later = dial(address);
  later.hello('dp-2');
  for (const { commands } of [first, later]) {
    await until(() => expect(commands).toEqual([{ $case: 'reloadPlugins', value: command }]));
  }
});

test('a data plane that dials again takes the place of its older stream', async () => {
  const { service, address } = await start();
  const older = dial(address);
  older.hello('dp-1');
  await until(() => expect(service.list()).toHaveLength(1));
  const newer = dial(address);
  newer.hello('dp-1');
  await until(() => expect(older.status()).toBe(RPC_STATUS.ABORTED.code));
  newer.send({ $case: 'applied', value: { revision: 4, rejected: [] } });
  await until(() => expect(service.list()[0]?.applied_revision).toBe(4));
  expect(service.list()).toHaveLength(1);
});

test('a stream that does not begin with a Hello is ended', async () => {
  const { service, address } = await start();
  const stranger = dial(address);
  stranger.send({ $case: 'applied', value: { revision: 4, rejected: [] } });
  await until(() => expect(stranger.status()).toBe(RPC_STATUS.INVALID_ARGUMENT.code));
  expect(service.list()).toEqual([]);
});

test('a stream that stays silent is ended', async () => {
  const { address } = await start({ helloTimeoutMs: 20 });
  const silent = dial(address);
  await until(() => expect(silent.status()).toBe(RPC_STATUS.DEADLINE_EXCEEDED.code));
});

test('one data plane too many is turned away, and gets in when another has left', async () => {
  const { service, address } = await start({ dataPlanesMax: 1 });
  const first = dial(address);
  first.hello('dp-1');
  await until(() => expect(service.list()).toHaveLength(1));
  const second = dial(address);
  second.hello('dp-2');
  await until(() => expect(second.status()).toBe(RPC_STATUS.RESOURCE_EXHAUSTED.code));
  first.stream.end();
  await until(() => expect(service.list()).toEqual([]));
  const third = dial(address);
  third.hello('dp-3');
  await until(() => expect(service.list()[0]?.instance_id).toBe('dp-3'));
});
