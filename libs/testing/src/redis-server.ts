import assert from 'node:assert';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createTestCertificates } from './test-certificates.ts';

export interface RedisServerOptions {
  /** Further flags of redis-server, as `--requirepass`, `secret`. */
  readonly args?: readonly string[];
  /** With an authority of its own; takes no plain connections. */
  readonly tls?: boolean;
}

/** A real Redis of its own on loopback, without a file. */
export interface RedisTestServer {
  readonly port: number;
  /** Runs redis-cli against it and returns what it prints. */
  readonly cli: (...args: string[]) => Promise<string>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Halts the process: connections stay open but nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on the same port, empty. */
  start(): Promise<void>;
  readonly close: () => Promise<void>;
}

const START_MS_MAX = 20_000;

/**
 * Whether redis-server and redis-cli can be run here. Without them a suite is skipped with a line
 * on stderr; in CI this throws instead, so that nothing is skipped unseen.
 */
export function hasRedis(): boolean {
  const found = ['redis-server', 'redis-cli'].every(
    (program) => spawnSync(program, ['--version']).status === 0,
  );
  if (found) return true;
  assert(process.env['CI'] !== 'true', 'redis-server and redis-cli must be on PATH in CI');
  process.stderr.write('SKIPPED: redis-server and redis-cli are not on PATH\n');
  return false;
}

/** Starts redis-server and waits until it answers. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisTestServer> {
  const dir = await mkdtemp(path.join(tmpdir(), 'redis-'));
  const port = await freePort();
  const args = [...(options.args ?? [])];
  const cliArgs: string[] = [];
  if (options.tls === true) {
    const { caFile, serverCertFile, serverKeyFile } = await createTestCertificates(dir);
    args.push('--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no');
    args.push('--tls-cert-file', serverCertFile, '--tls-key-file', serverKeyFile);
    args.push('--tls-ca-cert-file', caFile);
    cliArgs.push('--tls', '--cacert', caFile);
  } else {
    args.push('--port', String(port));
  }
  const server = createRedis({ dir, port, args, cliArgs });
  await server.start();
  return server;
}

interface Setup {
  readonly dir: string;
  readonly port: number;
  readonly args: readonly string[];
  readonly cliArgs: readonly string[];
}

function createRedis({ dir, port, args, cliArgs }: Setup): RedisTestServer {
  let child: ChildProcess | undefined;
  const cli = async (...command: string[]): Promise<string> => {
    const at = ['-h', '127.0.0.1', '-p', String(port), ...cliArgs];
    const { stdout } = await promisify(execFile)('redis-cli', [...at, ...command], {
      timeout: START_MS_MAX,
    });
    return stdout.trim();
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  };
  return {
    port,
    cli,
    kill,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async start() {
      assert(child === undefined, 'redis-server already runs');
      child = spawn(
        'redis-server',
        ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir, ...args],
        { stdio: 'ignore', env: { PATH: process.env['PATH'] } },
      );
      await until(async () => /PONG|NOAUTH/.test(await cli('PING')));
    },
    async close() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface RedisTestCluster {
  readonly nodes: readonly RedisTestServer[];
  readonly close: () => Promise<void>;
}

/** Three masters, each with a third of the slots. */
export async function startRedisCluster(): Promise<RedisTestCluster> {
  const nodes = await Promise.all(
    [0, 1, 2].map((i) =>
      startRedis({
        args: ['--cluster-enabled', 'yes', '--cluster-config-file', `nodes-${i}.conf`].concat([
          ...['--cluster-node-timeout', '2000', '--cluster-require-full-coverage', 'no'],
        ]),
      }),
    ),
  );
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  await nodes[0]?.cli('--cluster', 'create', ...addresses, '--cluster-yes');
  await Promise.all(
    nodes.map((node) =>
      until(async () => (await node.cli('CLUSTER', 'INFO')).includes('cluster_state:ok')),
    ),
  );
  return { nodes, close: async () => void (await Promise.all(nodes.map((node) => node.close()))) };
}

export interface RedisTestSentinel {
  readonly master: RedisTestServer;
  readonly replica: RedisTestServer;
  readonly sentinel: RedisTestServer;
  readonly close: () => Promise<void>;
}

/** A master with a replica, and one sentinel that knows them as `mymaster`. */
export async function startRedisSentinel(): Promise<RedisTestSentinel> {
  const master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] });
  await until(async () => (await replica.cli('INFO')).includes('master_link_status:up'));
  const dir = await mkdtemp(path.join(tmpdir(), 'sentinel-'));
  const port = await freePort();
  const file = path.join(dir, 'sentinel.conf');
  const settings = [
    `monitor mymaster 127.0.0.1 ${master.port} 1`,
    'down-after-milliseconds mymaster 500',
    'failover-timeout mymaster 2000',
  ];
  await writeFile(file, settings.map((setting) => `sentinel ${setting}\n`).join(''));
  const sentinel = createRedis({
    dir,
    port,
    args: ['--port', String(port)],
    cliArgs: [],
  });
  const child = spawn('redis-server', [file, '--sentinel', '--port', String(port)], {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'] },
  });
  await until(async () =>
    (await sentinel.cli('SENTINEL', 'replicas', 'mymaster')).includes(String(replica.port)),
  );
  return {
    master,
    replica,
    sentinel,
    async close() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await Promise.all([exited, master.close(), replica.close(), sentinel.close()]);
    },
  };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + START_MS_MAX;
  for (;;) {
    let problem: unknown;
    try {
      if (await holds()) return;
    } catch (error) {
      problem = error;
    }
    if (Date.now() > deadline) throw new Error('Redis did not get ready', { cause: problem });
    await sleep(50);
  }
}

/** A cluster's nodes listen on this plus 10,000 too. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    if (typeof address !== 'object' || address === null) continue;
    if (address.port < 55_535) return address.port;
  }
}
