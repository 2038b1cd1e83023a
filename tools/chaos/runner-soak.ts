// Do data plane, runner manager and runners lose anything in the long run? Load, conf changes, and now
// and then a runner that dies:
//   node tools/chaos/runner-soak.ts [--minutes 30] [--clients 16] [--seed N]
// Ends with 1 when memory, files or processes are left over, or a request failed.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { askAgainAndAgain, newTally } from './nonce-clients.ts';
import type { Tally } from './nonce-clients.ts';
import { randomFrom } from './random-from.ts';
import { RunnerStage } from './runner-stage.ts';
import type { Held } from './runner-stage.ts';
import { CALL_TIMEOUT_MS } from './stage-configs.ts';

/** Caches fill and V8 compiles in it: what is held afterwards is what the end is compared with. */
const WARM_UP_SHARE = 0.25;
const WARM_UP_MS_MAX = 180_000;
/** A machine that does other things, too, may make everything take longer. */
const ANSWER_SLACK_MS = 6000;
const CONF_CHANGE_MS = 2000;
/** More often would look like a crash loop. */
const KILL_MS = 45_000;
/** Idle connections are given up, and runners that were killed are back. */
const QUIET_MS_MAX = 70_000;
const FILES_SPARE = 8;
const RSS_SHARE_MAX = 1.15;
const RSS_SPARE_BYTES = 48 * 2 ** 20;
const POLL_MS = 500;
const INSTANCES = 2;

interface SoakOptions {
  readonly minutes: number;
  readonly clients: number;
  readonly seed: number;
}

/** Answers what was found, in sentences; empty: nothing. */
export async function soakRunners(
  { minutes, clients, seed }: SoakOptions,
  say: (text: string) => void,
): Promise<string[]> {
  const stage = await RunnerStage.start({ instances: INSTANCES });
  const tally = newTally();
  const random = randomFrom(seed);
  const wholeMs = minutes * 60_000;
  const warmUpMs = Math.min(wholeMs * WARM_UP_SHARE, WARM_UP_MS_MAX);
  try {
    const fresh = stage.held();
    say(`fresh: ${textOf(fresh)}`);
    await load({ stage, tally, random, clients, durationMs: warmUpMs });
    const before = await settle(stage, fresh);
    say(`warm: ${textOf(before)}`);
    await load({ stage, tally, random, clients, durationMs: wholeMs - warmUpMs, say });
    const after = await settle(stage, fresh);
    say(`at the end: ${textOf(after)}; ${tally.right} requests`);
    return [...growthOf({ fresh, before, after }), ...failuresOf(tally)];
  } finally {
    await stage.stop();
  }
}

async function load(options: {
  readonly stage: RunnerStage;
  readonly tally: Tally;
  readonly random: () => number;
  readonly clients: number;
  readonly durationMs: number;
  readonly say?: (text: string) => void;
}): Promise<void> {
  const { stage, tally, random, clients, durationMs, say = () => undefined } = options;
  const stop = new AbortController();
  const requests = Array.from({ length: clients }, () =>
    askAgainAndAgain({
      ...{ url: stage.url, tally, signal: stop.signal, calm: { epoch: () => 0 } },
      answerMsMax: CALL_TIMEOUT_MS + ANSWER_SLACK_MS,
    }),
  );
  const endMs = performance.now() + durationMs;
  let nextKillMs = performance.now() + KILL_MS;
  try {
    for (let version = 1; performance.now() < endMs; version += 1) {
      await sleep(Math.min(CONF_CHANGE_MS, Math.max(1, endMs - performance.now())));
      await stage.changeConf(version);
      if (performance.now() < nextKillMs) continue;
      await stage.killRunner(random);
      nextKillMs = performance.now() + KILL_MS;
      say(`${tally.right} requests; ${textOf(stage.held())}`);
    }
  } finally {
    stop.abort();
    await Promise.all(requests);
  }
}

/** What is held once nothing more is given up. */
async function settle(stage: RunnerStage, fresh: Held): Promise<Held> {
  await stage.untilReady();
  const endMs = performance.now() + QUIET_MS_MAX;
  while (stage.held().files > fresh.files + FILES_SPARE && performance.now() < endMs) {
    await sleep(POLL_MS);
  }
  return stage.held();
}

export function growthOf(held: {
  readonly fresh: Held;
  readonly before: Held;
  readonly after: Held;
}): string[] {
  const { fresh, before, after } = held;
  const problems: string[] = [];
  if (after.processes !== fresh.processes) {
    problems.push(`${after.processes} processes, ${fresh.processes} before the load`);
  }
  if (after.files > fresh.files + FILES_SPARE) {
    problems.push(`${after.files} files are open, ${fresh.files} were before the load`);
  }
  if (after.rssBytes > before.rssBytes * RSS_SHARE_MAX + RSS_SPARE_BYTES) {
    problems.push(`resident memory grew from ${before.rssBytes} to ${after.rssBytes} bytes`);
  }
  return problems;
}

function failuresOf({ right, wrong, late, needless }: Tally): string[] {
  return [
    ...(right === 0 ? ['no request was answered'] : []),
    ...wrong.map((what) => `wrong answer: ${what}`),
    ...late.map((what) => `too late: ${what}`),
    ...needless.map((what) => `failed: ${what}`),
  ];
}

function textOf({ processes, files, rssBytes }: Held): string {
  return `${processes} processes, ${files} files, RSS ${(rssBytes / 2 ** 20).toFixed(1)} MiB`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      clients: { type: 'string', default: '16' },
      seed: { type: 'string', default: '1' },
    },
  });
  const options = {
    minutes: Number(values.minutes),
    clients: Number(values.clients),
    seed: Number(values.seed),
  };
  const problems = await soakRunners(options, (text) => console.log(text));
  for (const problem of problems) console.log(`PROBLEM  ${problem}`);
  console.log(problems.length === 0 ? 'soak passed' : `soak failed: ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
