// Kills runners, runner manager and data plane at random under load:
//   node tools/chaos/runner-chaos.ts [--minutes 5] [--clients 16] [--seed N]
// Ends with 1 when a request got a wrong answer or none in time, or failed when only a runner was killed.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { askAgainAndAgain, newTally } from './nonce-clients.ts';
import type { Tally } from './nonce-clients.ts';
import { randomFrom } from './random-from.ts';
import { RunnerStage } from './runner-stage.ts';
import type { ServiceName, StageOptions } from './runner-stage.ts';
import { CALL_TIMEOUT_MS } from './stage-configs.ts';

export interface ChaosOptions {
  readonly seconds: number;
  readonly clients: number;
  readonly seed: number;
  /** What is killed: each once, then one after the other at random. */
  readonly victims: readonly Victim[];
  readonly say?: (text: string) => void;
  /** Default: two instances of one manager. */
  readonly stage?: StageOptions;
}

export type Victim = 'runner' | 'runner-manager' | 'data-plane';

export interface ChaosReport {
  readonly tally: Tally;
  readonly kills: Readonly<Record<Victim, number>>;
  /** Runners that outlived their manager. */
  readonly orphans: readonly number[];
}

/** A machine that does other things, too, may make everything take longer. */
const ANSWER_SLACK_MS = 6000;
const PAUSE_MS_MAX = 1500;
const RIGHT_IN_A_ROW = 10;
const ORPHAN_MS_MAX = 10_000;

/** Never rejects because of what it killed. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { clients, seconds, say = () => undefined } = options;
  const stage = await RunnerStage.start(options.stage);
  const tally = newTally();
  const stop = new AbortController();
  const chaos = new Chaos(stage, options);
  try {
    const load = Array.from({ length: clients }, () =>
      askAgainAndAgain({
        ...{ url: stage.url, tally, calm: chaos, signal: stop.signal },
        answerMsMax: CALL_TIMEOUT_MS + ANSWER_SLACK_MS,
      }),
    );
    await chaos.run(performance.now() + seconds * 1000, () => say(summary(tally, chaos.kills)));
    stop.abort();
    await Promise.all(load);
  } finally {
    stop.abort();
    await stage.stop();
  }
  return { tally, kills: chaos.kills, orphans: chaos.orphans };
}

class Chaos {
  readonly kills: Record<Victim, number> = { runner: 0, 'runner-manager': 0, 'data-plane': 0 };
  readonly orphans: number[] = [];
  readonly #stage: RunnerStage;
  readonly #victims: readonly Victim[];
  readonly #random: () => number;
  #epoch = 0;
  #isCalm = true;

  constructor(stage: RunnerStage, { victims, seed }: ChaosOptions) {
    this.#stage = stage;
    this.#victims = victims;
    this.#random = randomFrom(seed);
  }

  epoch(): number | undefined {
    return this.#isCalm ? this.#epoch : undefined;
  }

  async run(endMs: number, onKill: () => void): Promise<void> {
    const victims = this.#victims;
    for (let turn = 0; turn < victims.length || performance.now() < endMs; turn += 1) {
      await sleep(this.#random() * PAUSE_MS_MAX);
      const at = turn < victims.length ? turn : Math.floor(this.#random() * victims.length);
      const victim = victims[at] as Victim;
      this.kills[victim] += 1;
      if (victim === 'runner') await this.#stage.killRunner(this.#random);
      else await this.#killService(victim);
      onKill();
    }
  }

  async #killService(victim: Exclude<Victim, 'runner'>): Promise<void> {
    if (victim === 'runner-manager') return this.#killManager();
    await this.#inStorm(() => this.#stage.killService(victim));
  }

  /** Where there is another one, all have to be served all the time. */
  async #killManager(): Promise<void> {
    const { managers } = this.#stage;
    const name = managers[Math.floor(this.#random() * managers.length)] as ServiceName;
    const kill = async (): Promise<void> => {
      const runners = this.#stage.runnerPids(name);
      await this.#stage.killService(name);
      this.orphans.push(...(await this.#leftOf(runners)));
    };
    if (managers.length === 1) return this.#inStorm(kill);
    await kill();
    await this.#stage.untilReady();
  }

  async #inStorm(kill: () => Promise<void>): Promise<void> {
    this.#epoch += 1;
    this.#isCalm = false;
    await kill();
    await this.#stage.untilReady();
    await this.#untilServed();
    this.#isCalm = true;
  }

  /** Those of them that are still there when they had time to go. */
  async #leftOf(pids: readonly number[]): Promise<number[]> {
    const endMs = performance.now() + ORPHAN_MS_MAX;
    for (;;) {
      const there = new Set(this.#stage.runnerPids());
      const left = pids.filter((pid) => there.has(pid));
      if (left.length === 0 || performance.now() > endMs) return left;
      await sleep(50);
    }
  }

  async #untilServed(): Promise<void> {
    for (let inARow = 0; inARow < RIGHT_IN_A_ROW; await sleep(10)) {
      const status = await fetch(this.#stage.url).then(
        (response) => response.arrayBuffer().then(() => response.status),
        () => 0,
      );
      inARow = status === 200 ? inARow + 1 : 0;
    }
  }
}

/** What a report has against the gateway; empty: nothing. */
export function problemsOf({ tally, orphans }: ChaosReport): string[] {
  const { right, wrong, late, needless } = tally;
  return [
    ...(right === 0 ? ['no request was answered'] : []),
    ...wrong.map((what) => `wrong answer: ${what}`),
    ...late.map((what) => `too late: ${what}`),
    ...needless.map((what) => `failed though only runners were killed: ${what}`),
    ...orphans.map((pid) => `runner ${pid} outlived its manager`),
  ];
}

function summary(tally: Tally, kills: ChaosReport['kills']): string {
  const { right, refused, broken, wrong, late, needless } = tally;
  const killed = Object.entries(kills).map(([victim, count]) => `${victim} ${count}`);
  return (
    `killed ${killed.join(', ')}; ${right} right, ${refused} refused, ${broken} broken, ` +
    `${wrong.length} wrong, ${late.length} late, ${needless.length} needless`
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      clients: { type: 'string', default: '16' },
      seed: { type: 'string', default: '1' },
    },
  });
  const report = await runChaos({
    seconds: Number(values.minutes) * 60,
    clients: Number(values.clients),
    seed: Number(values.seed),
    victims: ['runner', 'runner', 'runner', 'runner-manager', 'data-plane'],
    say: (text) => console.log(text),
  });
  const problems = problemsOf(report);
  for (const problem of problems) console.log(`PROBLEM  ${problem}`);
  console.log(problems.length === 0 ? 'chaos survived' : `${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
