import { fileURLToPath } from 'node:url';
import { RunnerState } from '@polygate/rpc';
import { buildGoRunner, hasGo } from '@polygate/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  isAlive,
  runnerConfig,
  startTestManager,
  type TestManager,
  type TestManagerOptions,
} from '../manager.fixture.ts';
import type { Result, StreamCaller } from '../stream-caller.fixture.ts';

const CALLS_AT_A_TIME = 16;
const BUILD_MS_MAX = 600_000;
const waitFor = { timeout: 30_000, interval: 20 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Load {
  readonly answered: () => number;
  /** Of each kind one is enough to see. */
  readonly failures: () => string[];
  readonly stop: () => Promise<void>;
}

/** Calls without a pause, so many at a time, until it is stopped. */
function startLoad(caller: StreamCaller, plugin: string, retries = 0): Load {
  const confs = Array.from({ length: 4 }, (_, i) => ({
    key: `route#${i}#ext-plugin-pre-req#1`,
    plugins: [{ name: plugin, value: '{}' }],
  }));
  const failures = new Set<string>();
  let answered = 0;
  let stopped = false;
  const call = async (i: number): Promise<void> => {
    while (!stopped) {
      const result: Result = await caller.request({ conf: confs[i % 4], retries });
      if (result.$case === 'requestResult') answered += 1;
      else failures.add(JSON.stringify(result));
    }
  };
  const calls = Array.from({ length: CALLS_AT_A_TIME }, (_, i) => call(i));
  return {
    answered: () => answered,
    failures: () => [...failures],
    stop: async () => {
      stopped = true;
      await Promise.all(calls);
    },
  };
}

async function start(options: TestManagerOptions): Promise<TestManager> {
  const manager = await startTestManager(options);
  cleanups.push(() => manager.stop());
  await allReady(manager, 2);
  return manager;
}

async function allReady({ runner }: TestManager, count: number): Promise<void> {
  await vi.waitFor(() => {
    const states = runner().instances.map(({ state }) => state);
    expect(states).toEqual(Array(count).fill(RunnerState.READY));
  }, waitFor);
}

async function more(load: Load): Promise<void> {
  const before = load.answered();
  await vi.waitFor(() => expect(load.answered()).toBeGreaterThan(before + 100), waitFor);
}

interface Runner {
  readonly cmd: readonly string[];
  readonly plugin: string;
}

const program = fileURLToPath(
  new URL('../../../../libs/plugin-runner/src/main.ts', import.meta.url),
);
const typescript: Runner = { cmd: [process.execPath, program], plugin: 'add-header' };

async function restartsUnderLoad({ cmd, plugin }: Runner): Promise<void> {
  const manager = await start({ runner: { cmd }, config: { instances: 2 } });
  const first = manager.runner().instances.map(({ pid }) => pid);
  const load = startLoad(manager.caller, plugin);
  await more(load);
  expect(await manager.manager.restartRunner('default')).toBe(2);
  await more(load);
  expect(await manager.manager.restartRunner('default')).toBe(3);
  await more(load);
  const changed = runnerConfig({ cmd }, { instances: 1, env: ['PG_CHANGED=1'] });
  expect(await manager.manager.reconfigure([changed])).toEqual([]);
  await more(load);
  await allReady(manager, 1);
  await load.stop();
  expect(load.failures()).toEqual([]);
  expect(manager.runner()).toMatchObject({ generation: 4, callsInFlight: 0 });
  expect(first.filter(isAlive)).toEqual([]);
}

test('the TypeScript runner is replaced under load without a failed call', async () => {
  await restartsUnderLoad(typescript);
});

test('kill -9 of one of two instances fails no call that may be sent again', async () => {
  const manager = await start({ runner: { cmd: typescript.cmd }, config: { instances: 2 } });
  const load = startLoad(manager.caller, typescript.plugin, 2);
  for (const index of [0, 1, 0]) {
    await more(load);
    process.kill(manager.runner().instances[index]?.pid ?? 0, 'SIGKILL');
    await vi.waitFor(() => {
      expect(manager.runner().instances[index]?.state).not.toBe(RunnerState.READY);
    }, waitFor);
    await more(load);
    await allReady(manager, 2);
  }
  await load.stop();
  expect(load.failures()).toEqual([]);
});

describe.runIf(hasGo())('the Go runner', () => {
  test('is replaced under load without a failed call', { timeout: BUILD_MS_MAX }, async () => {
    await restartsUnderLoad({ cmd: await buildGoRunner(), plugin: 'rewrite-demo' });
  });
});
