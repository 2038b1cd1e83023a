import assert from 'node:assert';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createTestCertificates, type TestCertificates } from './test-certificates.ts';

export interface EtcdServerOptions {
  /** `server`: https with an own CA. `mutual`: etcd wants a client certificate too. */
  readonly tls?: 'server' | 'mutual';
  /** Further flags of etcd, as `--auth-token-ttl=1`. */
  readonly args?: readonly string[];
}

/** A real etcd of its own on loopback, with its data in a temporary directory. */
export interface EtcdServer {
  /** As `http://127.0.0.1:1234`; stays the same over `start`. */
  readonly endpoint: string;
  readonly port: number;
  /** PEM files, with `tls` only. */
  readonly certificates: TestCertificates | undefined;
  /** Runs etcdctl against it and returns what it prints; user and password as `user:password`. */
  ctl(args: readonly string[], user?: string): Promise<string>;
  /** Forgets the history up to `revision`, by default up to now. Returns that revision. */
  compact(revision?: number): Promise<number>;
  /** Ends it in order; data stay. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL; data stay. */
  kill(): Promise<void>;
  /**
   * Halts the process, so that connections stay open but nothing answers. Resolves once it stands
   * still, to what undoes it.
   */
  freeze(): Promise<() => void>;
  /** Starts it again on the same ports and data, or without data. Resolves once it answers. */
  start(options?: { empty?: boolean }): Promise<void>;
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

const START_MS_MAX = 30_000;
const START_ATTEMPTS_MAX = 3;
const STDERR_CHARS_MAX = 16_384;

/**
 * Whether etcd can be run here. Without it a suite is skipped with a line on stderr; in CI this
 * throws instead, so that nothing is skipped unseen.
 */
export function hasEtcd(): boolean {
  const found =
    spawnSync('etcd', ['--version']).status === 0 && spawnSync('etcdctl', ['version']).status === 0;
  if (found) return true;
  assert(process.env['CI'] !== 'true', 'etcd and etcdctl must be on PATH in CI');
  process.stderr.write('SKIPPED: etcd and etcdctl are not on PATH\n');
  return false;
}

/** Starts etcd and waits until it answers. Rejects with etcd's own last words if it does not. */
export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const dir = await mkdtemp(path.join(tmpdir(), 'etcd-'));
  const certificates = options.tls && (await createTestCertificates(dir));
  for (let attempt = 1; ; attempt += 1) {
    const [port, peerPort] = await freePorts();
    const server = createEtcd({ dir, port, peerPort, certificates, options });
    try {
      await server.start();
      return server;
    } catch (error) {
      // Somebody may have taken a port in between.
      const again =
        attempt < START_ATTEMPTS_MAX && String(error).includes('address already in use');
      if (!again) {
        await server.close();
        throw error;
      }
    }
  }
}

interface EtcdSetup {
  readonly dir: string;
  readonly port: number;
  readonly peerPort: number;
  readonly certificates: TestCertificates | undefined;
  readonly options: EtcdServerOptions;
}

function createEtcd(setup: EtcdSetup): EtcdServer {
  const { dir, port, certificates, options } = setup;
  const endpoint = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  let running: { child: ChildProcess; stderr: () => string } | undefined;

  const ctl = async (args: readonly string[], user?: string): Promise<string> => {
    const tls = certificates
      ? [
          `--cacert=${certificates.caFile}`,
          `--cert=${certificates.clientCertFile}`,
          `--key=${certificates.clientKeyFile}`,
        ]
      : [];
    const auth = user === undefined ? [] : [`--user=${user}`];
    const { stdout } = await promisify(execFile)(
      'etcdctl',
      [`--endpoints=${endpoint}`, ...tls, ...auth, ...args],
      { env: { PATH: process.env['PATH'], ETCDCTL_API: '3' }, timeout: START_MS_MAX },
    );
    return stdout;
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    const child = running?.child;
    running = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    endpoint,
    port,
    certificates,
    ctl,
    async compact(revision) {
      const upTo = revision ?? (await revisionNow(ctl));
      await ctl(['compaction', String(upTo)]);
      return upTo;
    },
    async freeze() {
      const child = running?.child;
      assert(child, 'etcd does not run');
      child.kill('SIGSTOP');
      await untilStopped(child.pid ?? 0);
      return () => void child.kill('SIGCONT');
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async start({ empty = false } = {}) {
      assert(!running, 'etcd already runs');
      if (empty) await rm(path.join(dir, 'data'), { recursive: true, force: true });
      running = spawnEtcd(setup, endpoint);
      await untilHealthy(running, ctl).catch(async (error: unknown) => {
        await end('SIGKILL');
        throw error;
      });
    },
    async close() {
      await end('SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function spawnEtcd(setup: EtcdSetup, endpoint: string) {
  const { dir, peerPort, certificates, options } = setup;
  const peer = `http://127.0.0.1:${peerPort}`;
  const tls = certificates
    ? [`--cert-file=${certificates.serverCertFile}`, `--key-file=${certificates.serverKeyFile}`]
    : [];
  if (certificates && options.tls === 'mutual') {
    tls.push('--client-cert-auth', `--trusted-ca-file=${certificates.caFile}`);
  }
  const child = spawn(
    'etcd',
    [
      '--name=test',
      `--data-dir=${path.join(dir, 'data')}`,
      `--listen-client-urls=${endpoint}`,
      `--advertise-client-urls=${endpoint}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=test=${peer}`,
      // One member elects itself; the default would wait a second for others.
      '--heartbeat-interval=20',
      '--election-timeout=200',
      '--logger=zap',
      '--log-level=warn',
      ...tls,
      ...(options.args ?? []),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'] } },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_CHARS_MAX);
  });
  return { child, stderr: () => stderr };
}

async function untilHealthy(
  { child, stderr }: { child: ChildProcess; stderr: () => string },
  ctl: EtcdServer['ctl'],
): Promise<void> {
  const deadline = Date.now() + START_MS_MAX;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`etcd ended at its start: ${stderr()}`);
    // Fails with an authentication error once users are enabled, which is an answer as well.
    const problem = await ctl(['get', '/', '--command-timeout=2s']).then(
      () => undefined,
      (error: unknown) => (/user name is empty/.test(String(error)) ? undefined : error),
    );
    if (problem === undefined) return;
    if (Date.now() > deadline) {
      throw new Error(`etcd did not answer: ${stderr()}`, { cause: problem });
    }
    await sleep(50);
  }
}

async function revisionNow(ctl: EtcdServer['ctl']): Promise<number> {
  const answer = JSON.parse(await ctl(['get', '/', '--write-out=json'])) as {
    header: { revision: number };
  };
  return answer.header.revision;
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert(typeof address === 'object' && address !== null);
    ports.push(address.port);
  }
  for (const server of servers) server.close();
  return ports as [number, number];
}

/** The signal is there at once, its effect on every thread is not. */
async function untilStopped(pid: number): Promise<void> {
  const isStopped = (): boolean =>
    readdirSync(`/proc/${pid}/task`).every((thread) =>
      / T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
    );
  while (!isStopped()) await sleep(1);
}
