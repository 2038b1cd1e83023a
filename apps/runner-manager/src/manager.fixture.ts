import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunnerLimits, RunnerManagerOptions } from './manager-options.ts';
import { startRunnerManager, type RunnerManager } from './runner-manager.ts';
import { StreamCaller } from './stream-caller.fixture.ts';

export interface TestManager {
  readonly manager: RunnerManager;
  readonly caller: StreamCaller;
  /** `level: message` */
  readonly log: readonly string[];
  readonly runDir: string;
  /** Another stream to the same manager. */
  readonly connect: () => StreamCaller;
  readonly stop: () => Promise<void>;
}

export type TestManagerOptions = Partial<Omit<RunnerManagerOptions, 'limits'>> & {
  readonly runner: RunnerManagerOptions['runner'];
  readonly limits?: Partial<RunnerLimits>;
};

/** For tests: a manager on a free port with one stream to it; short waits before a respawn. */
export async function startTestManager(options: TestManagerOptions): Promise<TestManager> {
  const runDir = mkdtempSync(join(tmpdir(), 'pg-run-'));
  const log: string[] = [];
  const logger = (level: string) => (message: string) => void log.push(`${level}: ${message}`);
  const manager = await startRunnerManager({
    listen: '127.0.0.1:0',
    envs: [],
    runDir,
    log: {
      debug: logger('debug'),
      info: logger('info'),
      warn: logger('warn'),
      error: logger('error'),
    },
    ...options,
    limits: { respawnDelayMsMin: 50, respawnDelayMsMax: 400, ...options.limits },
  });
  const callers: StreamCaller[] = [];
  const connect = (): StreamCaller => {
    const caller = new StreamCaller(manager.address);
    callers.push(caller);
    return caller;
  };
  return {
    manager,
    caller: connect(),
    log,
    runDir,
    connect,
    stop: async () => {
      for (const caller of callers) caller.close();
      await manager.stop(0);
      rmSync(runDir, { recursive: true, force: true });
    },
  };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
