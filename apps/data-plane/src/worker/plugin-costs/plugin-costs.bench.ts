// What does each plugin cost a request? CPU time of all threads, in this process:
//   node apps/data-plane/src/worker/plugin-costs/plugin-costs.bench.ts [--json] [--only PLUGIN]
import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';
import { COST_CASES, NOT_MEASURED } from './cost-cases.ts';
import type { CostCase } from './cost-cases.ts';
import { openCostGateway } from './cost-gateway.ts';
import type { CostGateway } from './cost-gateway.ts';

const WARM_UP_REQUESTS = 4000;
const REQUESTS = 1500;
const ROUNDS = 15;
/** What loggers do behind a request is part of their cost: it gets its turn. */
const REQUESTS_PER_TURN = 50;

export interface PluginCost {
  readonly plugin: string;
  /** Added to a request by the plugin; below the noise it may be negative. */
  readonly ns: number;
  /** Of a quarter and of three quarters of the rounds. */
  readonly fromNs: number;
  readonly toNs: number;
  /** What it does that the limit does not count. */
  readonly beyond: string | undefined;
}

export interface PluginCosts {
  /** Of a request without the plugin, median over all. */
  readonly bareNs: number;
  readonly costs: readonly PluginCost[];
  /** Plugin → why it was not measured. */
  readonly missing: Readonly<Record<string, string>>;
}

const only = process.argv[process.argv.indexOf('--only') + 1];
const wanted = process.argv.includes('--only')
  ? COST_CASES.filter(({ plugin }) => plugin === only)
  : COST_CASES;
const found = await measure(wanted);
if (process.argv.includes('--json')) console.log(JSON.stringify(found));
else print(found);
// what loggers hold has nowhere to go
process.exit(0);

async function measure(cases: readonly CostCase[]): Promise<PluginCosts> {
  // all of them, whatever is measured: some use what others bring
  const gateway = await openCostGateway(COST_CASES);
  const costs: PluginCost[] = [];
  const bare: number[] = [];
  for (const one of cases) await check(gateway, one);
  for (const one of cases) {
    for (const withPlugin of [false, true]) {
      await serve(gateway, { one, withPlugin, requests: WARM_UP_REQUESTS });
    }
    const added: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const without = await serve(gateway, { one, withPlugin: false, requests: REQUESTS });
      const whole = await serve(gateway, { one, withPlugin: true, requests: REQUESTS });
      bare.push(without);
      added.push(whole - without);
    }
    const { plugin, beyond } = one;
    const [fromNs, ns, toNs] = [0.25, 0.5, 0.75].map((share) => Math.round(quantile(added, share)));
    costs.push({ plugin, ns: ns ?? NaN, fromNs: fromNs ?? NaN, toNs: toNs ?? NaN, beyond });
  }
  return { bareNs: Math.round(quantile(bare, 0.5)), costs, missing: missingOf(cases) };
}

/** A conf that refuses what it should pass would be cheap. */
async function check(gateway: CostGateway, one: CostCase): Promise<void> {
  for (const withPlugin of [true, false]) {
    // the first request may take too long for a sandbox's limit
    await serve(gateway, { one, withPlugin, requests: 3 });
    const exchange = gateway.serve(one, withPlugin);
    await exchange.whenEnded();
    const expected = withPlugin ? (one.status ?? 200) : (one.answer?.status ?? 200);
    if (exchange.status === expected) continue;
    const what = `${one.plugin}: ${exchange.status} in place of ${expected}`;
    throw new Error(`${what}: ${gateway.lastError()}`);
  }
}

/** Nanoseconds of CPU a request. */
async function serve(
  gateway: CostGateway,
  { one, withPlugin, requests }: { one: CostCase; withPlugin: boolean; requests: number },
): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 1; i <= requests; i++) {
    const exchange = gateway.serve(one, withPlugin);
    if (!exchange.isEnded) await exchange.whenEnded();
    if (i % REQUESTS_PER_TURN === 0) await new Promise(setImmediate);
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / requests;
}

function missingOf(cases: readonly CostCase[]): Readonly<Record<string, string>> {
  const measured = new Set(cases.map(({ plugin }) => plugin));
  const names = [...PLUGIN_DEFINITIONS.keys()].filter((name) => !measured.has(name)).sort();
  return Object.fromEntries(names.map((name) => [name, NOT_MEASURED[name] ?? 'has no case yet']));
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? NaN;
}

function print({ bareNs, costs, missing }: PluginCosts): void {
  console.log(`a request without plugins: ${bareNs} ns; each plugin adds`);
  for (const { plugin, ns, fromNs, toNs, beyond } of costs.toSorted((a, b) => b.ns - a.ns)) {
    const range = `${fromNs} to ${toNs}`.padStart(16);
    console.log(`${plugin.padEnd(26)} ${String(ns).padStart(7)} ns ${range}  ${beyond ?? ''}`);
  }
  for (const [plugin, reason] of Object.entries(missing)) {
    console.log(`${plugin.padEnd(26)} not measured: ${reason}`);
  }
}
