/** Every metric of one worker at one moment: plain data that can be sent between threads. */
export interface MetricSnapshot {
  readonly metrics: readonly MetricSnapshotEntry[];
}

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface MetricSnapshotEntry {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labelNames: readonly string[];
  /** Upper bounds of a histogram, ascending, without infinity; empty for the others. */
  readonly buckets: readonly number[];
  /** Label values of each series. */
  readonly labels: readonly (readonly string[])[];
  /**
   * The numbers of each series, one series after the other. One for a counter or gauge; for a
   * histogram how many values fell in each bucket (and in none), then their sum.
   */
  readonly values: Float64Array;
}

/** How many numbers one series has in `values`. */
export function numbersPerSeries(type: MetricType, bucketCount: number): number {
  return type === 'histogram' ? bucketCount + 2 : 1;
}
