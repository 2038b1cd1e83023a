export type MetricLabels = readonly string[];

export interface Counter {
  /** `labels` are the values, in the order of the label names. */
  increment(labels: MetricLabels, by?: number): void;
}

export interface Gauge {
  set(labels: MetricLabels, value: number): void;
}

export interface Histogram {
  observe(labels: MetricLabels, value: number): void;
}

/**
 * Metrics of one worker; the process adds them up over its workers when it is scraped. Asking twice
 * for one name gives the same metric. A metric keeps at most 10,000 label sets; further ones are
 * counted in one with every label `overflow`.
 */
export interface MetricRegistry {
  counter(
    name: string,
    help: string,
    labelNames: readonly string[],
    options?: MetricOptions,
  ): Counter;
  gauge(name: string, help: string, labelNames: readonly string[], options?: MetricOptions): Gauge;
  histogram(
    name: string,
    help: string,
    labelNames: readonly string[],
    buckets: readonly number[],
    options?: MetricOptions,
  ): Histogram;
}

export interface MetricOptions {
  /** A series that nothing was counted in for so long is forgotten; 0 or left out: never. */
  readonly expireMs?: number;
}
