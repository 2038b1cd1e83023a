// Does Polygate lose anything in the long run? Mixed load with slow and rude clients against upstreams
// that stall, reset and lie:
//   node tools/bench/soak.ts [--minutes 15] [--clients 60] [--seed N]
// Ends with 1 when sockets, timers or memory are left over, or the access log is not exact.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { randomFrom } from '../chaos/random-from.ts';
import { Children } from './children.ts';
import { openAgentHub } from './gateway/agent-hub.ts';
import { placementOf } from './machine.ts';
import { ACTORS, http2Streams } from './soak/actors.ts';
import type { Actor } from './soak/actors.ts';
import { startGateway } from './soak/gateway-under-soak.ts';
import type { GatewayUnderSoak, Holdings } from './soak/gateway-under-soak.ts';
import { startHostileUpstream } from './soak/hostile-upstream.ts';
import { Ledger } from './soak/ledger.ts';
import { FILES_SPARE, logProblems, problemsOf } from './soak/verdict.ts';

const USAGE = 'usage: soak.ts [--minutes 15] [--clients 60] [--seed N]';
/** Caches fill and V8 compiles in it: what is held afterwards is what the end is compared with. */
const WARM_UP_SHARE = 0.25;
const WARM_UP_MS_MAX = 120_000;
const PROGRESS_LINES = 30;
const PROGRESS_MS_MIN = 5000;
/** The log is flushed every second. */
const LOG_SETTLE_MS = 2500;

const abort = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => abort.abort(new Error(`stopped by ${name}`)));
}
const startedMs = performance.now();

try {
  process.exitCode = (await main(readOptions(process.argv.slice(2)))) ? 0 : 1;
} catch (error) {
  console.error(`soak: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

interface SoakOptions {
  readonly minutes: number;
  readonly clients: number;
  readonly seed: number;
}

/** Whether nothing was found. */
async function main(options: SoakOptions): Promise<boolean> {
  const children = new Children(abort.signal);
  const folder = await mkdtemp(path.join(tmpdir(), 'polygate-soak-'));
  const upstream = await startHostileUpstream();
  const hub = await openAgentHub(path.join(folder, 'agent.sock'));
  const { gatewayCpus: cpus } = placementOf();
  say(`${options.minutes} minutes, ${options.clients} clients at a time, seed ${options.seed}`);
  try {
    const gateway = await startGateway({
      ...{ children, hub, folder, cpus, say },
      upstreamPort: upstream.port,
      signal: abort.signal,
    });
    return await soak(gateway, options);
  } finally {
    await children.stopAll();
    await hub.close();
    await upstream.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function soak(gateway: GatewayUnderSoak, options: SoakOptions): Promise<boolean> {
  const ledger = new Ledger();
  const wholeMs = options.minutes * 60_000;
  const warmUpMs = Math.min(wholeMs * WARM_UP_SHARE, WARM_UP_MS_MAX);
  const fresh = await gateway.holdings();
  say(`fresh: ${holdingsText(fresh)}`);
  await load(gateway, { ...options, ledger, durationMs: warmUpMs });
  const before = await gateway.settle(fresh.files + FILES_SPARE);
  say(`warm: ${holdingsText(before)}`);
  await load(gateway, { ...options, ledger, durationMs: wholeMs - warmUpMs });
  const after = await gateway.settle(fresh.files + FILES_SPARE);
  say(`at the end: ${holdingsText(after)}`);

  await sleep(LOG_SETTLE_MS);
  const lines = await gateway.logLines();
  const verdict = lines === undefined ? undefined : ledger.compare(lines);
  const problems = [
    ...(gateway.isAlive() ? [] : [`the gateway ended:\n${gateway.output()}`]),
    ...problemsOf({ fresh, before, after }),
    ...(verdict === undefined ? ['there is no access log'] : logProblems(verdict)),
  ];
  const statuses = [...ledger.statuses].sort(([a], [b]) => a - b);
  say(
    `${ledger.sent} requests sent; answers: ${statuses.map((pair) => pair.join(': ')).join(', ')}`,
  );
  if (verdict !== undefined) {
    say(
      `access log: ${verdict.answered} answered, ${verdict.unsure} without an answer, ` +
        `${verdict.refused} refused; ${verdict.anonymousLines} lines without an id`,
    );
  }
  for (const problem of problems) console.log(`PROBLEM  ${problem}`);
  console.log(problems.length === 0 ? 'soak passed' : `soak failed: ${problems.length} problems`);
  return problems.length === 0;
}

async function load(
  gateway: GatewayUnderSoak,
  options: SoakOptions & { ledger: Ledger; durationMs: number },
): Promise<void> {
  const { ledger, durationMs, clients, seed } = options;
  const random = randomFrom(seed + ledger.sent);
  const endMs = performance.now() + durationMs;
  const acts = actsOf(gateway);
  const progress = async (): Promise<void> => {
    const stepMs = Math.max((options.minutes * 60_000) / PROGRESS_LINES, PROGRESS_MS_MIN);
    while (performance.now() + stepMs < endMs) {
      await sleep(stepMs, undefined, { signal: abort.signal });
      say(`${ledger.sent} requests; ${holdingsText(await gateway.holdings())}`);
    }
  };
  const client = async (): Promise<void> => {
    while (performance.now() < endMs && !abort.signal.aborted && gateway.isAlive()) {
      const act = acts[Math.floor(random() * acts.length)] as Actor;
      const url = gateway.urls[Math.floor(random() * gateway.urls.length)] as string;
      await act({ url, ledger, random });
    }
  };
  await Promise.all([progress(), ...Array.from({ length: clients }, client)]);
  abort.signal.throwIfAborted();
}

/** Each as often as its weight. */
function actsOf(gateway: GatewayUnderSoak): Actor[] {
  const weighted = Object.values(ACTORS).flatMap(({ weight, act }) =>
    Array.from({ length: weight }, () => act),
  );
  if (!gateway.speaksHttp2) say('HAS NO HTTP/2: soaked without it');
  return gateway.speaksHttp2 ? [...weighted, http2Streams, http2Streams] : weighted;
}

function holdingsText({ files, resources, heapBytes, rssBytes }: Holdings): string {
  const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return (
    `${files} files, ${resources} things waited for, ` +
    `heap ${mebibytes(heapBytes)}, RSS ${mebibytes(rssBytes)}`
  );
}

function readOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '15' },
      clients: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
    },
  });
  const read = (name: keyof typeof values, min: number, max: number): number => {
    const value = Number(values[name]);
    if (value >= min && value <= max) return value;
    throw new Error(`--${name} must be from ${min} to ${max}\n${USAGE}`);
  };
  return {
    minutes: read('minutes', 0.1, 24 * 60),
    clients: Math.floor(read('clients', 1, 2000)),
    seed: Math.floor(read('seed', 0, 2 ** 31)),
  };
}

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  console.log(`${seconds.padStart(5)} s  ${text}`);
}
