// What does one request cost? On this machine, over loopback, beside nginx:
//   node tools/bench/bench.ts [--seconds 5] [--rounds 3] [--only NAME] [--json FILE]
//
// The figure to compare is CPU time for one request: it says the same whether or not the load keeps
// the gateway busy, and suffers less from what else the machine does than requests per second.
import { execFileSync } from 'node:child_process';
import { accessSync, constants as fsConstants, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, constants, loadavg, release, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Children } from './children.ts';
import { cpuList } from './cpu-list.ts';
import { checkMetric, measure } from './measure.ts';
import { LEGEND, summarize, tableOf } from './report.ts';
import type { Series } from './report.ts';
import { REFERENCE, startTargets, TARGET_NAMES } from './targets.ts';
import type { Placement } from './targets.ts';

const USAGE = `usage: bench.ts [--seconds N] [--rounds N] [--only NAME] [--json FILE]
  NAME is one of ${TARGET_NAMES.join(', ')}; ${REFERENCE} runs along, for the ratio`;

const SECONDS_MAX = 60;
const ROUNDS_MAX = 50;
/** Before the first round, for V8 compiles what is hot: loads of this length until it is enough. */
const WARM_UP_SECONDS = 3;
const WARM_UP_REQUESTS = 20_000;
const WARM_UPS_MAX = 5;

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly names: readonly string[];
  readonly jsonFile: string | undefined;
}

const abort = new AbortController();
const startedMs = performance.now();
let stoppedBy: NodeJS.Signals | undefined;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop(name));
// nobody reads on: Node would end us at once, and leave the gateways running
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop('SIGPIPE'));

try {
  await main(readOptions(process.argv.slice(2)));
} catch (error) {
  const { message } = error instanceof Error ? error : new Error(String(error));
  console.error(`bench: ${stoppedBy === undefined ? message : `stopped by ${stoppedBy}`}`);
  process.exitCode = stoppedBy === undefined ? 1 : 128 + constants.signals[stoppedBy];
}

function stop(name: NodeJS.Signals): void {
  stoppedBy ??= name;
  abort.abort(new Error(`stopped by ${name}`));
}

async function main(options: Options): Promise<void> {
  requirePrograms();
  const placement = placementOf(cpuList(readFileSync('/proc/self/status', 'utf8')));
  const loadBefore = loadavg();
  say(`load average ${loadText(loadBefore)}; ${placementText(placement)}`);

  const children = new Children(abort.signal);
  const folder = await mkdtemp(path.join(tmpdir(), 'polygate-bench-'));
  let results: Series[];
  try {
    results = await run(children, { ...options, ...placement, folder });
  } finally {
    await children.stopAll();
    await rm(folder, { recursive: true, force: true });
  }

  const reference = results.find(({ name }) => name === REFERENCE);
  const rows = results.map((series) => ({ ...series, summary: summarize(series, reference) }));
  const loadAfter = loadavg();
  console.log(`\n${tableOf(rows)}\n${LEGEND}`);
  console.log(`Load average before ${loadText(loadBefore)}, after ${loadText(loadAfter)}.`);
  for (const { name, rounds } of rows) {
    const errors = rounds.reduce((sum, { socketErrors }) => sum + socketErrors, 0);
    if (errors > 0) console.log(`${name}: ${errors} socket errors or answers that took too long`);
  }
  if (options.jsonFile === undefined) return;
  const { seconds, rounds } = options;
  const machine = { ...machineFacts(), ...placement, loadBefore, loadAfter };
  const report = { at: new Date().toISOString(), seconds, rounds, machine, targets: rows };
  await writeFile(options.jsonFile, `${JSON.stringify(report, undefined, 2)}\n`);
}

async function run(
  children: Children,
  options: Options & Placement & { folder: string },
): Promise<Series[]> {
  const { rounds, seconds, loadCpus } = options;
  const { signal } = abort;
  const targets = await startTargets(children, { ...options, signal, say });
  for (const target of targets) {
    say(`warming up ${target.name}`);
    let requests = 0;
    for (let i = 0; i < WARM_UPS_MAX && requests < WARM_UP_REQUESTS; i++) {
      requests += (await measure(children, target, { seconds: WARM_UP_SECONDS, loadCpus }))
        .requests;
    }
    await checkMetric(target, signal);
  }
  const all = targets.map((target) => ({ target, rounds: [] as Series['rounds'][number][] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { target, rounds: done } of all) {
      const result = await measure(children, target, { seconds, loadCpus });
      done.push(result);
      const { gatewayUsPerRequest, runnerUsPerRequest, requestsPerSecond } = result;
      const runner = runnerUsPerRequest === undefined ? '' : ` + ${runnerUsPerRequest.toFixed(1)}`;
      say(
        `round ${round} of ${rounds}: ${target.name}: ${gatewayUsPerRequest.toFixed(1)}${runner} ` +
          `µs a request, ${requestsPerSecond.toFixed(0)} requests a second`,
      );
    }
  }
  return all.map(({ target: { name, description }, rounds: done }) => ({
    name,
    description,
    rounds: done,
  }));
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const { only, json } = values;
  if (only !== undefined && !TARGET_NAMES.includes(only)) throw new Error(`no ${only}\n${USAGE}`);
  return {
    seconds: wholeNumber('seconds', values.seconds, SECONDS_MAX),
    rounds: wholeNumber('rounds', values.rounds, ROUNDS_MAX),
    names: only === undefined ? TARGET_NAMES : [REFERENCE, only],
    jsonFile: json === undefined ? undefined : path.resolve(json),
  };
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`--${name} must be a whole number from 1 to ${max}\n${USAGE}`);
}

/** Throws when something is missing that no figure can be had without. */
function requirePrograms(): void {
  if (process.platform !== 'linux') throw new Error('needs Linux: CPU time is read from /proc');
  // nginx is often where only root's PATH leads
  process.env['PATH'] = `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`;
  const folders = process.env['PATH'].split(path.delimiter);
  const missing = ['nginx', 'wrk', 'taskset'].filter(
    (program) => !folders.some((folder) => isExecutable(path.join(folder, program))),
  );
  if (missing.length === 0) return;
  throw new Error(
    `cannot find ${missing.join(', ')}. Install the packages nginx, wrk and util-linux (taskset).`,
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, fsConstants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The gateway on the first core, everything else on the others. */
function placementOf([first, ...others]: readonly number[]): Placement {
  if (first === undefined || others.length === 0) {
    return { gatewayCpus: undefined, loadCpus: undefined };
  }
  return { gatewayCpus: String(first), loadCpus: others.join(',') };
}

function placementText({ gatewayCpus, loadCpus }: Placement): string {
  return gatewayCpus === undefined || loadCpus === undefined
    ? 'one core: gateway, load and upstream share it'
    : `gateway (with its runner) on core ${gatewayCpus}, load and upstream on ${loadCpus}`;
}

function machineFacts(): object {
  const [first] = cpus();
  // nginx says its version on stderr
  const nginx = execFileSync('sh', ['-c', 'nginx -v 2>&1']).toString().trim();
  return {
    cpu: first?.model,
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    nginx,
  };
}

function loadText(loads: readonly number[]): string {
  return loads.map((load) => load.toFixed(2)).join(' ');
}

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  console.error(`${seconds.padStart(4)} s  ${text}`);
}
