import { readdirSync, readFileSync } from 'node:fs';
import { FailureReason, RunnerState, type ConfReference } from '@polygate/rpc';
import { expect, test, vi } from 'vitest';
import { testManagers, waitFor, type TestManager } from '../manager.fixture.ts';
import { actionOf, type Result, type StreamCaller } from '../stream-caller.fixture.ts';
import { writeRunnerScript } from './runner-script.fixture.ts';

const { onEnd, start } = testManagers();

/** A runner that ends when it gets a conf of this name. */
function poisonable(): readonly string[] {
  const prepare = `({ key }, peer) => key.includes('poison') ? process.exit(5) : peer.prepareConf(1)`;
  const { cmd, remove } = writeRunnerScript('', undefined, prepare);
  onEnd(remove);
  return cmd;
}

const conf = (name: string): ConfReference => ({
  key: `route#${name}#x#1`,
  plugins: [{ name: 'demo', value: '{}' }],
});
const isContinue = (result: Result): boolean =>
  result.$case === 'requestResult' && result.value.action?.$case === 'continue';

function hold(caller: StreamCaller, name: string): void {
  caller.send({
    callId: 0,
    frame: { $case: 'holdConf', value: { conf: conf(name), runner: '' } },
  });
}

async function untilReady({ runner }: TestManager, instances: number): Promise<void> {
  await vi.waitFor(() => {
    const states = runner().instances.map(({ state }) => state);
    expect(states).toEqual(Array(instances).fill(RunnerState.READY));
  }, waitFor);
}

const restartsOf = ({ runner }: TestManager): number =>
  runner().instances.reduce((sum, { restarts }) => sum + restarts, 0);

test('a conf that ends the runner never has all instances, and other confs are served', async () => {
  const manager = await start({ runner: { cmd: poisonable() }, config: { instances: 2 } });
  const { caller, connect } = manager;
  await untilReady(manager, 2);
  hold(caller, 'good');
  const failed: Result[] = [];
  let served = 0;
  const stop = new AbortController();
  const load = async (): Promise<void> => {
    const own = connect();
    while (!stop.signal.aborted) {
      const result = await own.request({ conf: conf('good'), retries: 1, timeoutMs: 10_000 });
      if (isContinue(result)) served += 1;
      else failed.push(result);
    }
  };
  const loads = [load(), load(), load()];
  await vi.waitFor(() => expect(served).toBeGreaterThan(10), waitFor);
  hold(caller, 'poison');
  await vi.waitFor(() => expect(restartsOf(manager)).toBe(1), waitFor);
  const refusals = await Promise.all(
    Array.from({ length: 8 }, () => caller.request({ conf: conf('poison'), retries: 3 })),
  );
  expect(refusals.every(({ $case }) => $case === 'callFailure')).toBe(true);
  // Whoever comes later is told at once.
  expect(await caller.request({ conf: conf('poison'), retries: 3 })).toMatchObject({
    value: {
      reason: FailureReason.PROTOCOL,
      message: expect.stringMatching(/^2 instances were lost over this conf, the next try is in/),
    },
  });
  await untilReady(manager, 2);
  const before = served;
  await vi.waitFor(() => expect(served).toBeGreaterThan(before + 10), waitFor);
  stop.abort();
  await Promise.all(loads);
  expect(failed).toEqual([]);
  expect(restartsOf(manager)).toBe(2);
});

test('confs that were beside it when the only instance ended are served by the next one', async () => {
  const manager = await start({ runner: { cmd: poisonable() } });
  const { caller } = manager;
  await untilReady(manager, 1);
  const good = ['a', 'b', 'c', 'd', 'e'];
  for (const name of ['a', 'b', 'poison', 'c', 'd', 'e']) hold(caller, name);
  await vi.waitFor(() => expect(restartsOf(manager)).toBe(1), waitFor);
  const results = await Promise.all(good.map((name) => caller.request({ conf: conf(name) })));
  expect(results.map((result) => actionOf(result).$case)).toEqual(good.map(() => 'continue'));
  expect(restartsOf(manager)).toBe(1);
});

test('a call that no runner has seen waits for the one that is started again, without retries', async () => {
  const { cmd, remove } = writeRunnerScript('');
  onEnd(remove);
  const manager = await start({ runner: { cmd } });
  const { caller, instance } = manager;
  for (let restarts = 0; restarts < 3; restarts += 1) {
    await untilReady(manager, 1);
    expect(isContinue(await caller.request({ retries: 0 }))).toBe(true);
    const { pid } = instance();
    process.kill(pid, 'SIGKILL');
    // Gone, and nobody has had a chance to hear of it.
    while (!isGone(pid)) continue;
    const results = await Promise.all([
      caller.request({ retries: 0 }),
      caller.request({ retries: 0, conf: conf(`new-${restarts}`) }),
    ]);
    expect(results.map((result) => actionOf(result).$case)).toEqual(['continue', 'continue']);
    expect(instance()).toMatchObject({ restarts: restarts + 1, lastError: '' });
  }
});

test('a call that asked something before its runner was lost asks it again on another', async () => {
  const ask = `async ({ id }, peer) => {
    const one = peer.ask({ kind: 'variable', name: String(process.pid) });
    const two = await peer.ask({ kind: 'requestBody' });
    peer.answer(id, stop(\`\${await one} \${two}\`));
  }`;
  const { cmd, remove } = writeRunnerScript('', ask);
  onEnd(remove);
  const manager = await start({ runner: { cmd }, config: { instances: 2 } });
  await untilReady(manager, 2);
  const asked: string[] = [];
  const result = await manager.caller.request({ retries: 1 }, (question) => {
    if (question.$case === 'requestBody') return Buffer.from('body');
    if (question.$case !== 'variable') return undefined;
    const { name } = question.value;
    asked.push(name);
    // The answers to its questions cross its end.
    if (asked.length === 1) process.kill(Number(name), 'SIGKILL');
    return Buffer.from(name);
  });
  const action = actionOf(result);
  expect(action.$case === 'stop' && action.value.body.toString()).toBe(`${asked[1]} body`);
  expect(asked).toHaveLength(2);
});

/** The sockets of a process are open until the last of its threads has ended, which need not be its first. */
function isGone(pid: number): boolean {
  const isEnded = /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return isEnded && readdirSync(`/proc/${pid}/task`).length === 1;
}
