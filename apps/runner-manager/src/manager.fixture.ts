import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunnerConfig } from '@polygate/chassis';
import type { Runner, RunnerInstance } from '@polygate/rpc';
import type { RunnerLimits, RunnerManagerOptions } from './manager-options.ts';
import { afterEach } from 'vitest';
import { startRunnerManager, type RunnerManager } from './runner-manager.ts';
import { StreamCaller } from './stream-caller.fixture.ts';

export interface TestManager {
  readonly manager: RunnerManager;
  readonly caller: StreamCaller;
  /** `level: message` */
  readonly log: readonly string[];
  readonly runDir: string;
  /** The first runner. */
  readonly runner: () => Runner;
  /** The first instance of the first runner. */
  readonly instance: () => RunnerInstance;
  /** Another stream to the same manager. */
  readonly connect: () => StreamCaller;
  readonly stop: () => Promise<void>;
}

/** A runner's source without what tests seldom say. */
export type TestSource =
  | { readonly cmd: readonly string[] }
  | { readonly socketPath: string; readonly requiresReplyId?: boolean };

export type TestManagerOptions = Partial<Omit<RunnerManagerOptions, 'limits'>> & {
  /** Makes the pool `default`. */
  readonly runner?: TestSource | undefined;
  /** What else the pool `default` has. */
  readonly config?: Partial<RunnerConfig>;
  readonly limits?: Partial<RunnerLimits>;
};

/** A pool's configuration as `config.yaml` would make it. */
export function runnerConfig(
  source: TestSource,
  overrides: Partial<RunnerConfig> = {},
): RunnerConfig {
  return {
    name: 'default',
    source: 'cmd' in source ? source : { requiresReplyId: false, ...source },
    plugins: [],
    instances: 1,
    env: [],
    watch: false,
    startTimeoutMs: 30_000,
    stopTimeoutMs: 1000,
    ...overrides,
  };
}

/** How long tests wait for what processes do. */
export const waitFor = { timeout: 20_000, interval: 20 };

export interface TestManagers {
  /** Runs after the test, the last one first. */
  readonly onEnd: (cleanup: () => unknown) => void;
  readonly start: (options: TestManagerOptions) => Promise<TestManager>;
  readonly temporaryDirectory: () => string;
}

/** For a file of tests: what one of them starts ends with it. */
export function testManagers(): TestManagers {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  return {
    onEnd: (cleanup) => void cleanups.push(cleanup),
    start: async (options) => {
      const manager = await startTestManager(options);
      cleanups.push(() => manager.stop());
      return manager;
    },
    temporaryDirectory: () => {
      const path = mkdtempSync(join(tmpdir(), 'pg-test-'));
      cleanups.push(() => rmSync(path, { recursive: true, force: true }));
      return path;
    },
  };
}

/** For tests: a manager on a free port with one stream to it; short waits before a respawn. */
export async function startTestManager(options: TestManagerOptions): Promise<TestManager> {
  const { runner, config, limits, ...rest } = options;
  const runDir = options.runDir ?? mkdtempSync(join(tmpdir(), 'pg-run-'));
  const log: string[] = [];
  const logger = (level: string) => (message: string) => void log.push(`${level}: ${message}`);
  const manager = await startRunnerManager({
    listen: '127.0.0.1:0',
    runners: runner === undefined ? [] : [runnerConfig(runner, config)],
    runDir,
    log: {
      debug: logger('debug'),
      info: logger('info'),
      warn: logger('warn'),
      error: logger('error'),
    },
    ...rest,
    limits: { respawnDelayMsMin: 50, respawnDelayMsMax: 400, watchIntervalMs: 50, ...limits },
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
    runner: () => manager.listRunners()[0] as Runner,
    instance: () => manager.listRunners()[0]?.instances[0] as RunnerInstance,
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
