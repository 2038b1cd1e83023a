import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RunnerUnderReplay {
  readonly socketPath: string;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const STOP_GRACE_MS = 1000;

/**
 * Starts a runner as the manager would and waits until it listens. What it writes goes to our
 * standard error. Rejects when it ends before.
 */
export async function startRunner(cmd: readonly string[]): Promise<RunnerUnderReplay> {
  const [program = '', ...args] = cmd;
  const folder = await mkdtemp(join(tmpdir(), 'pg-replay-'));
  const socketPath = join(folder, 'runner.sock');
  const env = {
    ...process.env,
    APISIX_LISTEN_ADDRESS: `unix:${socketPath}`,
    APISIX_CONF_EXPIRE_TIME: '3600',
  };
  const child = spawn(program, args, { env, stdio: ['ignore', 2, 2], detached: true });
  const ended = endOf(child);
  const stop = async (): Promise<void> => {
    signalGroup(child, 'SIGTERM');
    const grace = new AbortController();
    await Promise.race([ended, sleep(STOP_GRACE_MS, undefined, grace)]);
    grace.abort();
    signalGroup(child, 'SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  let early: string | undefined;
  void ended.then((why) => (early = why));
  try {
    await waitUntilListening(socketPath, () => early);
  } catch (error) {
    await stop();
    throw error;
  }
  return { socketPath, stop };
}

/** Rejects with the system's words while nobody listens. */
export function openSocket(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

async function waitUntilListening(
  socketPath: string,
  whyEnded: () => string | undefined,
): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const socket = await openSocket(socketPath);
      socket.destroy();
      return;
    } catch (error) {
      const why = whyEnded();
      if (why !== undefined) throw new Error(`the runner ended before it listened: ${why}`);
      if (performance.now() > deadlineMs) throw error;
      await sleep(POLL_MS);
    }
  }
}

/** Never rejects. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It has ended already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
