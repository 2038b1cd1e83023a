import type { MetricLabels, MetricRegistry } from '@polygate/plugin-sdk';

export interface MemoryMetrics extends MetricRegistry {
  /** Value of a counter or gauge, or undefined when those labels were never used. */
  value(name: string, labels: MetricLabels): number | undefined;
  /** Everything a histogram was given under those labels. */
  observed(name: string, labels: MetricLabels): readonly number[];
  /** Names of the labels of a metric. */
  labelNames(name: string): readonly string[];
  /** Every label set a metric was used with. */
  labelSets(name: string): readonly MetricLabels[];
}

interface Series {
  readonly labels: MetricLabels;
  values: number[];
}

interface Metric {
  readonly labelNames: readonly string[];
  readonly series: Map<string, Series>;
}

/** A MetricRegistry that keeps what it is given, to be asked afterwards. */
export function memoryMetrics(): MemoryMetrics {
  const metrics = new Map<string, Metric>();

  function define(name: string, labelNames: readonly string[]): Metric {
    const metric = metrics.get(name) ?? { labelNames: [...labelNames], series: new Map() };
    metrics.set(name, metric);
    return metric;
  }
  function seriesOf(metric: Metric, labels: MetricLabels): Series {
    if (labels.length !== metric.labelNames.length) {
      throw new TypeError(`${labels.length} label values for ${metric.labelNames.length} names`);
    }
    const key = JSON.stringify(labels);
    const series = metric.series.get(key) ?? { labels: [...labels], values: [] };
    metric.series.set(key, series);
    return series;
  }
  function find(name: string, labels: MetricLabels): readonly number[] | undefined {
    return metrics.get(name)?.series.get(JSON.stringify(labels))?.values;
  }

  return {
    counter(name, _help, labelNames) {
      const metric = define(name, labelNames);
      return {
        increment(labels, by = 1) {
          const series = seriesOf(metric, labels);
          series.values = [(series.values[0] ?? 0) + by];
        },
      };
    },
    gauge(name, _help, labelNames) {
      const metric = define(name, labelNames);
      return {
        set(labels, value) {
          seriesOf(metric, labels).values = [value];
        },
      };
    },
    histogram(name, _help, labelNames) {
      const metric = define(name, labelNames);
      return {
        observe(labels, value) {
          seriesOf(metric, labels).values.push(value);
        },
      };
    },
    value: (name, labels) => find(name, labels)?.[0],
    observed: (name, labels) => find(name, labels) ?? [],
    labelNames: (name) => metrics.get(name)?.labelNames ?? [],
    labelSets: (name) => [...(metrics.get(name)?.series.values() ?? [])].map((one) => one.labels),
  };
}
