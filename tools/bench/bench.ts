// What does Polygate cost? On this machine, over loopback, beside its peers: `npm run bench -- --help`
//
// The figure to compare is CPU time for one request: it says the same whether or not the load keeps
// the gateway busy, and suffers less from what else the machine does than requests per second.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import type { Contender } from './contender.ts';
import { figureText, measureFigures } from './figures/figures.ts';
import type { Figure } from './figures/figures.ts';
import { polygate } from './gateway/polygate.ts';
import { profileScenarios } from './gateway/profile.ts';
import { machineFacts, placementOf, placementText, requirePrograms } from './machine.ts';
import { runMicroBenches } from './micro.ts';
import { readOptions, USAGE } from './options.ts';
import type { Options } from './options.ts';
import { pageOf } from './page.ts';
import { apisix } from './peers/apisix.ts';
import { haproxy } from './peers/haproxy.ts';
import { nginx } from './peers/nginx.ts';
import { nodeProxies } from './peers/node-proxies.ts';
import { costsText, measurePluginCosts, PLUGIN_COSTS } from './plugin-costs/plugin-costs.ts';
import type { PluginCosts } from './plugin-costs/plugin-costs.ts';
import { goalText, LEGEND, rowsOf, tableOf } from './report.ts';
import { runScenario } from './run-scenario.ts';
import type { RunOptions, ScenarioResult } from './run-scenario.ts';
import { SCENARIOS } from './scenarios.ts';

const abort = new AbortController();
const startedMs = performance.now();
let stoppedBy: NodeJS.Signals | undefined;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop(name));
// nobody reads on: Node would end us at once, and leave the gateways running
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop('SIGPIPE'));

try {
  const args = process.argv.slice(2);
  if (args.includes('--help')) console.log(USAGE);
  else await main(readOptions(args));
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
  if (options.micro) {
    await runMicroBenches(abort.signal);
    return;
  }
  requirePrograms();
  const placement = placementOf();
  say(`load average ${loadText()}; ${placementText(placement)}`);
  const folder = await mkdtemp(path.join(tmpdir(), 'polygate-bench-'));
  const run: RunOptions = { ...options, ...placement, folder, signal: abort.signal, say };
  const contenders = contendersOf(options);
  const results: ScenarioResult[] = [];
  let figures: readonly Figure[] = [];
  let pluginCosts: PluginCosts | undefined;
  try {
    const chosen = SCENARIOS.filter(({ name }) => options.names.includes(name));
    for (const scenario of chosen) {
      const result = await runScenario(scenario, contenders, run);
      results.push(result);
      show(result);
    }
    if (options.profileFolder !== undefined) {
      await profileScenarios(chosen, { ...run, profileFolder: options.profileFolder });
    }
    figures = await measureFigures(options.names, run);
    if (options.names.includes(PLUGIN_COSTS)) pluginCosts = await measurePluginCosts(run);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  for (const figure of figures) console.log(figureText(figure));
  if (pluginCosts !== undefined) console.log(costsText(pluginCosts));
  if (results.length > 0) showGoals(results);
  await writeResults(options, { results, figures, pluginCosts, contenders, placement });
}

function contendersOf({ tree, apisix: folder, peers: wanted }: Options): readonly Contender[] {
  const others = [haproxy, ...nodeProxies].filter(({ name }) => wanted?.includes(name) ?? true);
  const peers: Contender[] = [nginx, ...others];
  if (folder !== undefined) peers.push(apisix(folder));
  peers.push(polygate());
  if (tree !== undefined) peers.push(polygate('polygate (tree)', tree));
  return peers;
}

function show(result: ScenarioResult): void {
  console.log(`\n${result.scenario.name}: ${result.scenario.description}`);
  const rows = rowsOf(result);
  if (rows.length > 0) console.log(tableOf(rows));
  const goal = goalText(result);
  if (goal !== undefined) console.log(`polygate: ${goal}`);
  for (const [name, reason] of Object.entries(result.missing)) {
    console.log(`${name} left out: ${reason}`);
  }
  for (const { name, rounds } of result.series) {
    const errors = rounds.reduce((sum, { socketErrors }) => sum + socketErrors, 0);
    if (errors > 0) console.log(`${name}: ${errors} socket errors or answers that took too long`);
  }
}

function showGoals(results: readonly ScenarioResult[]): void {
  console.log('\nGoals');
  for (const result of results) {
    const goal = goalText(result);
    if (goal !== undefined) console.log(`  ${result.scenario.name}: ${goal}`);
  }
  console.log(`\n${LEGEND.map(([term, text]) => `${term.padEnd(9)} ${text}`).join('\n')}`);
  console.log(`Load average now ${loadText()}.`);
  // no figure of ourselves is a failure; a goal that is not met is none
  if (results.some(({ missing }) => 'polygate' in missing)) process.exitCode = 1;
}

async function writeResults(
  { jsonFile, pageFile, seconds, rounds }: Options,
  done: {
    results: readonly ScenarioResult[];
    figures: readonly Figure[];
    pluginCosts: PluginCosts | undefined;
    contenders: readonly Contender[];
    placement: ReturnType<typeof placementOf>;
  },
): Promise<void> {
  const { results, figures, pluginCosts, contenders, placement } = done;
  const machine = machineFacts();
  if (jsonFile !== undefined) {
    const measured = { results, figures, pluginCosts };
    const report = { at: new Date().toISOString(), seconds, rounds, machine, ...measured };
    await writeFile(jsonFile, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  if (pageFile !== undefined) {
    const page = pageOf({
      ...{ machine, seconds, rounds, results, figures, pluginCosts, contenders },
      placement: placementText(placement),
    });
    await writeFile(pageFile, page);
    say(`wrote ${path.relative(process.cwd(), pageFile)}`);
  }
}

function loadText(): string {
  return loadavg()
    .map((load) => load.toFixed(2))
    .join(' ');
}

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  console.error(`${seconds.padStart(4)} s  ${text}`);
}
