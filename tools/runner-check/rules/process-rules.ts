import { setTimeout as sleep } from 'node:timers/promises';
import { requestCall } from '../probe.ts';
import { FrameType } from '@polygate/runner-protocol';
import { verdict, type Rule, type Verdict } from '../rule.ts';
import type { RunnerUnderTest } from '../runner-under-test.ts';

/** After that APISIX and Polygate send SIGKILL. */
const END_MS = 1_000;
/** For what is asked of a runner that is slow to end, which is a rule of its own. */
const END_AT_LAST_MS = 5_000;
/** For the kernel and the process that reaps. */
const REAP_MS = 500;

/** Each of these ends the runner; it is started again before the next. */
export const PROCESS_RULES: readonly Rule[] = [
  {
    id: 'process.stale-socket',
    level: 'must',
    sentence: 'a socket that a killed runner left behind is replaced',
    needs: ['process'],
    check: async (runner) => {
      await runner.kill();
      await runner.leaveStaleSocket();
      try {
        await runner.start();
        return verdict(true, 'it listens');
      } catch (error) {
        return verdict(false, (error as Error).message);
      }
    },
  },
  {
    id: 'process.sigterm',
    level: 'must',
    sentence: 'SIGTERM ends it within a second',
    needs: ['process'],
    check: (runner) => endsOnSigterm(runner),
  },
  {
    id: 'process.sigterm-in-call',
    level: 'must',
    sentence: 'SIGTERM ends it within a second also while a plugin works',
    needs: ['process', 'plugin'],
    check: async (runner) => {
      const confToken = await runner.token({ do: 'sleep', ms: 30_000 });
      const probe = await runner.connect();
      probe.send(FrameType.HTTP_REQ_CALL, requestCall({ id: 1, confToken }));
      await sleep(100);
      const seen = await endsOnSigterm(runner);
      probe.close();
      return seen;
    },
  },
  {
    id: 'process.unlink',
    level: 'should',
    sentence: 'after SIGTERM its socket is gone',
    needs: ['process'],
    check: async (runner) => {
      await endAtLast(runner);
      const isLeft = runner.socketExists;
      return verdict(!isLeft, isLeft ? 'the socket is left' : 'the socket is gone');
    },
  },
  {
    id: 'process.orphans',
    level: 'must',
    sentence: 'after SIGTERM no process of it is left',
    needs: ['process'],
    check: async (runner) => {
      const { pid } = runner;
      await endAtLast(runner);
      for (let ms = 0; ms < REAP_MS && runner.hasOrphans(pid); ms += 50) await sleep(50);
      const isLeft = runner.hasOrphans(pid);
      return verdict(!isLeft, isLeft ? 'its process group is not empty' : 'none');
    },
  },
];

async function endsOnSigterm(runner: RunnerUnderTest): Promise<Verdict> {
  const beginMs = performance.now();
  runner.signal('SIGTERM');
  const how = await runner.exitWithin(END_MS);
  const ms = Math.round(performance.now() - beginMs);
  return verdict(
    how !== undefined,
    how === undefined ? 'it still runs after a second' : `${how} after ${ms} ms`,
  );
}

async function endAtLast(runner: RunnerUnderTest): Promise<void> {
  runner.signal('SIGTERM');
  await runner.exitWithin(END_AT_LAST_MS);
}
