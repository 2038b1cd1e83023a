import type { Children } from './children.ts';
import { usageOfTree } from './proc-stat.ts';
import type { ProcessUsage } from './proc-stat.ts';
import { runLoad } from './load/load.ts';
import type { Load, LoadResult } from './load/load.ts';
import type { Child } from './children.ts';

const METRICS_MS_MAX = 5000;

/** A contender that runs and has been seen to do its work. */
export interface Target {
  readonly name: string;
  readonly child: Child;
  /** Processes below the gateway's are the plugin runner, and counted apart. */
  readonly hasRunner: boolean;
  readonly load: Load;
  /** Where a metric must be found after a load. */
  readonly metric: { readonly url: string; readonly name: string } | undefined;
}

/** One load of one target. */
export interface Measurement extends LoadResult {
  /** User and system time for one request: of the gateway, and of the plugin runner if any. */
  readonly gatewayUsPerRequest: number;
  readonly runnerUsPerRequest: number | undefined;
  /** Time on a core of gateway and runner as a part of the time that passed. */
  readonly coreShare: number;
  /** Resident memory afterwards. Pages that processes share count for each. */
  readonly gatewayRssBytes: number;
  readonly runnerRssBytes: number | undefined;
}

/** Rejects when an answer was not a success, or a process of the gateway was replaced. */
export async function measure(
  children: Children,
  target: Target,
  { seconds, loadCpus }: { seconds: number; loadCpus: string | undefined },
): Promise<Measurement> {
  const { name, child, hasRunner, load } = target;
  const before = usageOf(target);
  const beganMs = performance.now();
  const result = await runLoad(children, load, { seconds, cpus: loadCpus });
  const passedUs = (performance.now() - beganMs) * 1000;
  const after = usageOf(target);
  if (result.refused > 0) throw new Error(`${name}: ${result.refused} answers were refusals`);
  if (result.requests === 0) throw new Error(`${name}: no answer in ${seconds} s`);
  if (pidsOf(before) !== pidsOf(after)) {
    throw new Error(`${name}: its processes changed under the load\n${child.output()}`);
  }
  const spentUs = (of: Part) => cpuUs(of(after)) - cpuUs(of(before));
  const gateway = hasRunner ? first : all;
  return {
    ...result,
    gatewayUsPerRequest: spentUs(gateway) / result.requests,
    runnerUsPerRequest: hasRunner ? spentUs(rest) / result.requests : undefined,
    coreShare: spentUs(all) / passedUs,
    gatewayRssBytes: rssBytes(gateway(after)),
    runnerRssBytes: hasRunner ? rssBytes(rest(after)) : undefined,
  };
}

/** Rejects when the target's metric is not there or has no value. */
export async function checkMetric({ name, metric }: Target, signal: AbortSignal): Promise<void> {
  if (metric === undefined) return;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(METRICS_MS_MAX)]);
  const text = await (await fetch(metric.url, { signal: limit })).text();
  if (!text.split('\n').some((line) => line.startsWith(`${metric.name}{`))) {
    throw new Error(`${name}: no ${metric.name} among its metrics`);
  }
}

function usageOf({ name, child }: Target): readonly ProcessUsage[] {
  try {
    return usageOfTree(child.pid);
  } catch (cause) {
    throw new Error(`${name}: no CPU time of its processes\n${child.output()}`, { cause });
  }
}

type Part = (tree: readonly ProcessUsage[]) => readonly ProcessUsage[];
const all: Part = (tree) => tree;
const first: Part = (tree) => tree.slice(0, 1);
const rest: Part = (tree) => tree.slice(1);

const cpuUs = (part: readonly ProcessUsage[]): number => part.reduce((sum, p) => sum + p.cpuUs, 0);
const rssBytes = (part: readonly ProcessUsage[]): number =>
  part.reduce((sum, p) => sum + p.rssBytes, 0);
const pidsOf = (tree: readonly ProcessUsage[]): string =>
  tree
    .map(({ pid }) => pid)
    .sort((a, b) => a - b)
    .join();
