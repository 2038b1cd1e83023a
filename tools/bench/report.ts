import type { Measurement } from './measure.ts';
import { REFERENCE } from './run-scenario.ts';
import type { ScenarioResult, Series } from './run-scenario.ts';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Summary {
  readonly gatewayUsPerRequest: Spread;
  readonly runnerUsPerRequest: Spread | undefined;
  /** Gateway and runner together, to the reference in the same round. */
  readonly ratio: Spread | undefined;
  readonly requestsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  readonly rssMiB: Spread;
  readonly corePercent: Spread;
}

export const LEGEND: readonly (readonly [string, string])[] = [
  ['CPU µs', 'user and system time of the processes for one request; runner: the plugin runner’s'],
  ['× nginx', 'that of gateway and runner together, to nginx in the same round'],
  [
    'core %',
    'how much of one core they had. Clearly under 100: req/s and latency show the load generator, ' +
      'or other work on the machine, and not what the gateway can do; CPU µs suffers less',
  ],
  [
    'p50, p99',
    'as the load generator sees them under full load, so with the queue before the gateway',
  ],
  ['RSS', 'gateway and runner; pages that processes share count for each'],
];

export interface Column {
  readonly title: string;
  readonly decimals: number;
  readonly read: (summary: Summary) => Spread | undefined;
}

export const COLUMNS: readonly Column[] = [
  { title: 'CPU µs gateway', decimals: 1, read: (s) => s.gatewayUsPerRequest },
  { title: 'CPU µs runner', decimals: 1, read: (s) => s.runnerUsPerRequest },
  { title: '× nginx', decimals: 2, read: (s) => s.ratio },
  { title: 'req/s', decimals: 0, read: (s) => s.requestsPerSecond },
  { title: 'p50 ms', decimals: 2, read: (s) => s.p50Ms },
  { title: 'p99 ms', decimals: 2, read: (s) => s.p99Ms },
  { title: 'RSS MiB', decimals: 0, read: (s) => s.rssMiB },
  { title: 'core %', decimals: 0, read: (s) => s.corePercent },
];

export interface Row {
  readonly name: string;
  readonly summary: Summary;
}

export function rowsOf({ series }: ScenarioResult): Row[] {
  const reference = series.find(({ name }) => name === REFERENCE);
  return series.map((one) => ({ name: one.name, summary: summarize(one, reference) }));
}

/** Polygate's ratio beside its goal; undefined: the scenario has none. */
export function goalText(result: ScenarioResult): string | undefined {
  const { goal } = result.scenario;
  if (goal === undefined) return undefined;
  const ratio = rowsOf(result).find(({ name }) => name === 'polygate')?.summary.ratio;
  if (ratio === undefined) return `goal ≤ ${goal} × nginx: not measured`;
  const verdict = ratio.median <= goal ? 'met' : 'NOT met';
  return `goal ≤ ${goal} × nginx: ${verdict} (${ratio.median.toFixed(2)})`;
}

/** `reference` has the same rounds; undefined: no ratio. */
export function summarize({ rounds }: Series, reference: Series | undefined): Summary {
  const over = (read: (round: Measurement) => number): Spread => spreadOf(rounds.map(read));
  const runner = rounds.flatMap(({ runnerUsPerRequest }) => runnerUsPerRequest ?? []);
  const ratios = rounds.flatMap((round, i) => {
    const other = reference?.rounds[i];
    return other === undefined ? [] : [wholeUs(round) / wholeUs(other)];
  });
  return {
    gatewayUsPerRequest: over((round) => round.gatewayUsPerRequest),
    runnerUsPerRequest: runner.length === 0 ? undefined : spreadOf(runner),
    ratio: ratios.length === 0 ? undefined : spreadOf(ratios),
    requestsPerSecond: over((round) => round.requestsPerSecond),
    p50Ms: over((round) => round.p50Ms),
    p99Ms: over((round) => round.p99Ms),
    rssMiB: over((round) => (round.gatewayRssBytes + (round.runnerRssBytes ?? 0)) / 2 ** 20),
    corePercent: over((round) => round.coreShare * 100),
  };
}

/** `values` must not be empty. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
  return { median: (lower + upper) / 2, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN };
}

/** For a terminal. Two lines a row: medians, and the least and most. */
export function tableOf(rows: readonly Row[]): string {
  const cells = [
    ['', ...COLUMNS.map(({ title }) => title)],
    ...rows.flatMap(({ name, summary }) => [
      [name, ...COLUMNS.map((column) => medianText(column, summary))],
      ['', ...COLUMNS.map((column) => rangeText(column, summary))],
    ]),
  ];
  const widths = (cells[0] ?? []).map((_, i) =>
    Math.max(...cells.map((row) => row[i]?.length ?? 0)),
  );
  return cells
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function medianText({ read, decimals }: Column, summary: Summary): string {
  return read(summary)?.median.toFixed(decimals) ?? '-';
}

export function rangeText({ read, decimals }: Column, summary: Summary): string {
  const spread = read(summary);
  if (spread === undefined) return '';
  return `${spread.min.toFixed(decimals)}–${spread.max.toFixed(decimals)}`;
}

function wholeUs({ gatewayUsPerRequest, runnerUsPerRequest = 0 }: Measurement): number {
  return gatewayUsPerRequest + runnerUsPerRequest;
}
