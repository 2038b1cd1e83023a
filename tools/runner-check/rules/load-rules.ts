import { setTimeout as sleep } from 'node:timers/promises';
import { describeSeen, type Probe } from '../probe.ts';
import { verdict, type Rule } from '../rule.ts';
import type { RunnerUnderTest } from '../runner-under-test.ts';
import { actionOf } from './expectations.ts';

const CONNECTIONS = 200;
const SLOW_MS = 1_500;

export const LOAD_RULES: readonly Rule[] = [
  {
    id: 'load.concurrent',
    level: 'must',
    sentence: `${CONNECTIONS} connections with a call each at once get their own answers`,
    needs: ['plugin'],
    check: async (runner) => {
      const confToken = await runner.token({ do: 'sleep', ms: 50 });
      const probes: Probe[] = [];
      try {
        for (let i = 0; i < CONNECTIONS; i++) probes.push(await runner.connect());
        const beginMs = performance.now();
        const answers = probes.map(async (probe, i) => {
          actionOf(await probe.call({ id: i + 1, confToken }, runner.waitMs), i + 1);
        });
        await Promise.all(answers);
        const ms = Math.round(performance.now() - beginMs);
        return verdict(true, `${CONNECTIONS} answers in ${ms} ms, 50 of which each slept`);
      } finally {
        for (const probe of probes) probe.close();
      }
    },
  },
  {
    id: 'load.slow-neighbour',
    level: 'must',
    sentence: 'a slow call holds up no call of another connection',
    needs: ['plugin'],
    check: async (runner) => {
      const slowToken = await runner.token({ do: 'sleep', ms: SLOW_MS });
      const confToken = await runner.token({ do: 'stop' });
      const [slow, quick] = [await runner.connect(), await runner.connect()];
      const late = slow.call({ id: 1, confToken: slowToken }, runner.waitMs + SLOW_MS);
      await sleep(50);
      const beginMs = performance.now();
      actionOf(await quick.call({ id: 2, confToken }, runner.waitMs + SLOW_MS), 2);
      const ms = Math.round(performance.now() - beginMs);
      actionOf(await late, 1);
      slow.close();
      quick.close();
      return verdict(ms < SLOW_MS / 2, `answered after ${ms} ms beside one of ${SLOW_MS} ms`);
    },
  },
];

/** A connection that is used, left alone while other rules are checked, and used again. */
export class IdleConnection {
  readonly #probe: Probe;
  readonly #confToken: number;
  readonly #sinceMs = performance.now();

  private constructor(probe: Probe, confToken: number) {
    this.#probe = probe;
    this.#confToken = confToken;
  }

  static async begin(runner: RunnerUnderTest): Promise<IdleConnection> {
    const confToken = await runner.token({ do: 'stop' });
    const probe = await runner.connect();
    actionOf(await probe.call({ id: 1, confToken }, runner.waitMs), 1);
    return new IdleConnection(probe, confToken);
  }

  rule(idleMs: number): Rule {
    return {
      id: 'load.idle',
      level: 'should',
      sentence: 'a connection that was idle is still good (APISIX keeps one for 180 s)',
      needs: ['plugin'],
      check: async (runner) => {
        await sleep(Math.max(0, this.#sinceMs + idleMs - performance.now()));
        const seconds = Math.round((performance.now() - this.#sinceMs) / 1_000);
        const call = { id: 2, confToken: this.#confToken };
        const seen = await this.#probe.call(call, runner.waitMs);
        this.#probe.close();
        return verdict(seen.kind === 'frame', `after ${seconds} s: ${describeSeen(seen)}`);
      },
    };
  }
}
