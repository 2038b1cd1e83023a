import { numbersPerSeries } from './metric-snapshot.ts';
import type { MetricSnapshot, MetricSnapshotEntry } from './metric-snapshot.ts';

/**
 * The metrics of all workers together in Prometheus' text format. Series of the same labels are
 * added up, those of gauges too: what is not to be added, as a version, belongs in one snapshot
 * only. Metrics come by name; those whose type or buckets differ from the first worker's are left
 * out.
 */
export function renderExposition(snapshots: readonly MetricSnapshot[]): string {
  const metrics = new Map<string, MergedMetric>();
  for (const snapshot of snapshots) {
    for (const entry of snapshot.metrics) {
      const merged = metrics.get(entry.name) ?? { entry, series: new Map<string, Series>() };
      metrics.set(entry.name, merged);
      merge(merged, entry);
    }
  }
  const lines: string[] = [];
  for (const name of [...metrics.keys()].sort()) renderMetric(metrics.get(name), lines);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

interface Series {
  readonly labels: readonly string[];
  readonly numbers: Float64Array;
}

interface MergedMetric {
  /** The first one of that name: says type, labels and buckets. */
  readonly entry: MetricSnapshotEntry;
  readonly series: Map<string, Series>;
}

function merge({ entry: first, series }: MergedMetric, entry: MetricSnapshotEntry): void {
  const alike =
    entry.type === first.type &&
    entry.buckets.join() === first.buckets.join() &&
    entry.labelNames.join() === first.labelNames.join();
  if (!alike) return;
  const width = numbersPerSeries(entry.type, entry.buckets.length);
  entry.labels.forEach((labels, index) => {
    const numbers = entry.values.subarray(index * width, (index + 1) * width);
    const key = JSON.stringify(labels);
    const known = series.get(key);
    if (known === undefined) series.set(key, { labels, numbers: numbers.slice() });
    else numbers.forEach((number, at) => (known.numbers[at] = (known.numbers[at] ?? 0) + number));
  });
}

function renderMetric(metric: MergedMetric | undefined, lines: string[]): void {
  if (metric === undefined || metric.series.size === 0) return;
  const { entry, series } = metric;
  lines.push(`# HELP ${entry.name} ${escapeHelp(entry.help)}`);
  lines.push(`# TYPE ${entry.name} ${entry.type}`);
  for (const { labels, numbers } of series.values()) {
    const pairs = labels.map((value, at) => pair(entry.labelNames[at] ?? '', value));
    if (entry.type === 'histogram') renderHistogram(entry, pairs, numbers, lines);
    else lines.push(`${entry.name}${braced(pairs)} ${formatNumber(numbers[0] ?? 0)}`);
  }
}

/** Buckets count everything up to their bound. */
function renderHistogram(
  { name, buckets }: MetricSnapshotEntry,
  pairs: readonly string[],
  numbers: Float64Array,
  lines: string[],
): void {
  let count = 0;
  buckets.forEach((bound, at) => {
    count += numbers[at] ?? 0;
    lines.push(`${name}_bucket${braced([...pairs, pair('le', formatNumber(bound))])} ${count}`);
  });
  count += numbers[buckets.length] ?? 0;
  lines.push(`${name}_bucket${braced([...pairs, pair('le', '+Inf')])} ${count}`);
  lines.push(`${name}_count${braced(pairs)} ${count}`);
  lines.push(`${name}_sum${braced(pairs)} ${formatNumber(numbers[buckets.length + 1] ?? 0)}`);
}

function pair(name: string, value: string): string {
  return `${name}="${escapeLabel(value)}"`;
}

function braced(pairs: readonly string[]): string {
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function formatNumber(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
