import { Children } from '../children.ts';
import type { RunOptions } from '../run-scenario.ts';

/** Among the names that can be asked for. */
export const PLUGIN_COSTS = 'plugin-costs';
const PROGRAM = 'apps/data-plane/src/worker/plugin-costs/plugin-costs.bench.ts';
/** What a plugin may add to a request, but for what it sends, signs or compresses. */
const NS_MAX = 20_000;

export interface PluginCost {
  readonly plugin: string;
  /** CPU time of all threads that a request takes more with the plugin. */
  readonly ns: number;
  /** Of a quarter and of three quarters of the rounds. */
  readonly fromNs: number;
  readonly toNs: number;
  /** What it does that the limit does not count. */
  readonly beyond?: string;
}

export interface PluginCosts {
  readonly bareNs: number;
  readonly costs: readonly PluginCost[];
  /** Plugin → why it was not measured. */
  readonly missing: Readonly<Record<string, string>>;
}

/** Every plugin alone, through the gateway's own code without sockets, in a process of its own. */
export async function measurePluginCosts({
  gatewayCpus,
  say,
  signal,
}: Pick<RunOptions, 'gatewayCpus' | 'say' | 'signal'>): Promise<PluginCosts> {
  say(`— ${PLUGIN_COSTS}`);
  const child = new Children(signal).start({
    name: 'plugin costs',
    command: [process.execPath, PROGRAM, '--json'],
    cpus: gatewayCpus,
  });
  const code = await child.exited;
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`${PROGRAM} ended with ${code}:\n${child.output()}`);
  return JSON.parse(child.output().trim().split('\n').at(-1) ?? '') as PluginCosts;
}

/** Those above the limit, and whether that is allowed. */
export function verdictOf({ costs }: PluginCosts): string {
  const above = costs.filter(({ ns, beyond }) => ns > NS_MAX && beyond === undefined);
  const but = "but for I/O, cryptography, compression and users' JavaScript";
  const goal = `goal ≤ ${NS_MAX / 1000} µs a plugin, ${but}`;
  if (above.length === 0) return `${goal}: met`;
  return `${goal}: NOT met by ${above.map(({ plugin }) => plugin).join(', ')}`;
}

/** For a terminal: the dearest first. */
export function costsText(found: PluginCosts): string {
  return [
    `\nplugin-costs: CPU time that a plugin adds to a request of ${microseconds(found.bareNs)} µs`,
    ...dearestFirst(found).map(
      ({ plugin, ns, fromNs, toNs, beyond }) =>
        `${plugin.padEnd(26)} ${microseconds(ns).padStart(7)} µs  ` +
        `${microseconds(fromNs)}–${microseconds(toNs)}  ${beyond ?? ''}`,
    ),
    verdictOf(found),
  ]
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A section of docs/benchmarks.md. */
export function costsSection(found: PluginCosts): string {
  const rows = dearestFirst(found).map(
    ({ plugin, ns, fromNs, toNs, beyond }) =>
      `| ${plugin} | ${microseconds(ns)} (${microseconds(fromNs)}–${microseconds(toNs)}) | ${beyond ?? ''} |`,
  );
  const missing = Object.entries(found.missing).map(([name, reason]) => `- ${name}: ${reason}`);
  return `## Plugins

CPU time of all threads that each plugin, alone on a route, adds to a request: the code that serves
requests, from the parsed head to the log phase, with nothing in the place of the sockets. Without
plugins that is ${microseconds(found.bareNs)} µs. In brackets the middle half of the rounds; what is
below 0.2 µs is noise. Loggers hand their batches to a port that nobody listens on.

| plugin | µs | beyond the limit |
| --- | ---: | --- |
${rows.join('\n')}

Polygate: ${verdictOf(found)}.

Not measured:

${missing.join('\n')}
`;
}

function dearestFirst({ costs }: PluginCosts): readonly PluginCost[] {
  return costs.toSorted((a, b) => b.ns - a.ns);
}

function microseconds(ns: number): string {
  return (ns / 1000).toFixed(2);
}
