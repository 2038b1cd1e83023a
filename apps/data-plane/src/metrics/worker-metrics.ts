import type {
  Counter,
  Gauge,
  Histogram,
  MetricLabels,
  MetricOptions,
  MetricRegistry,
} from '@polygate/plugin-sdk';
import { numbersPerSeries } from './metric-snapshot.ts';
import type { MetricSnapshot, MetricSnapshotEntry, MetricType } from './metric-snapshot.ts';

/** Past this many label sets of a metric, further ones are counted as one. */
const LABEL_SETS_MAX = 10_000;
const SERIES_AT_FIRST = 16;
const OVERFLOW = 'overflow';
/** A noncharacter of Unicode, which stands in no text that is interchanged. */
const SEPARATOR = '\uffff';
const RECENT_SERIES = 4;

/** The metrics of one worker. Bounded: see MetricRegistry. */
export class WorkerMetrics implements MetricRegistry {
  readonly #families = new Map<string, Family>();

  counter(
    name: string,
    help: string,
    labelNames: readonly string[],
    options?: MetricOptions,
  ): Counter {
    const family = this.#family({ type: 'counter', name, help, labelNames, buckets: [] }, options);
    const recent = new RecentSeries(family);
    return { increment: (labels, by = 1) => family.add(recent.offsetOf(labels), by) };
  }

  gauge(name: string, help: string, labelNames: readonly string[], options?: MetricOptions): Gauge {
    const family = this.#family({ type: 'gauge', name, help, labelNames, buckets: [] }, options);
    return { set: (labels, value) => family.set(family.offsetOf(labels), value) };
  }

  histogram(
    name: string,
    help: string,
    labelNames: readonly string[],
    buckets: readonly number[],
    options?: MetricOptions,
  ): Histogram {
    const shape = { type: 'histogram', name, help, labelNames, buckets } as const;
    const family = this.#family(shape, options);
    const recent = new RecentSeries(family);
    return { observe: (labels, value) => family.observe(recent.offsetOf(labels), value) };
  }

  snapshot(): MetricSnapshot {
    return { metrics: [...this.#families.values()].map((family) => family.snapshot()) };
  }

  #family(shape: FamilyShape, { expireMs = 0 }: MetricOptions = {}): Family {
    const known = this.#families.get(shape.name);
    if (known === undefined) {
      const family = new Family(shape, expireMs);
      this.#families.set(shape.name, family);
      return family;
    }
    if (!sameShape(known.shape, shape)) {
      throw new TypeError(`metric ${shape.name} is there already, with another type or labels`);
    }
    return known;
  }
}

interface FamilyShape {
  readonly type: MetricType;
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly buckets: readonly number[];
}

/**
 * One metric with its series. Numbers of all series stand in one array, so that counting is a
 * look-up by the joined labels and an addition.
 */
class Family {
  readonly shape: FamilyShape;
  readonly #width: number;
  readonly #expireMs: number;
  readonly #offsets = new Map<string, number>();
  #labels: (readonly string[])[] = [];
  #values: Float64Array;
  /** When something was last counted in each series; not kept where none expires. */
  readonly #countedMs: number[] = [];
  /** Raised when series have moved: what knows an offset from before has to ask again. */
  layout = 0;

  constructor(shape: FamilyShape, expireMs: number) {
    this.#expireMs = expireMs;
    this.shape = {
      ...shape,
      labelNames: [...shape.labelNames],
      buckets: [...shape.buckets].sort((a, b) => a - b),
    };
    this.#width = numbersPerSeries(shape.type, shape.buckets.length);
    this.#values = new Float64Array(SERIES_AT_FIRST * this.#width);
  }

  add(offset: number, by: number): void {
    // a counter that went down, or became NaN for good, would be worse than one increment lost
    if (by >= 0) this.#addAt(offset, by);
    if (this.#expireMs > 0) this.#touch(offset);
  }

  set(offset: number, value: number): void {
    this.#values[offset] = value;
    if (this.#expireMs > 0) this.#touch(offset);
  }

  observe(offset: number, value: number): void {
    if (Number.isNaN(value)) return;
    const { buckets } = this.shape;
    let bucket = 0;
    while (bucket < buckets.length && value > (buckets[bucket] ?? Infinity)) bucket++;
    this.#addAt(offset + bucket, 1);
    this.#addAt(offset + this.#width - 1, value);
    if (this.#expireMs > 0) this.#touch(offset);
  }

  snapshot(): MetricSnapshotEntry {
    if (this.#expireMs > 0) this.#forgetExpired();
    const { name, help, type, labelNames, buckets } = this.shape;
    const values = this.#values.slice(0, this.#labels.length * this.#width);
    return { name, help, type, labelNames, buckets, labels: [...this.#labels], values };
  }

  #touch(offset: number): void {
    this.#countedMs[offset / this.#width] = performance.now();
  }

  /** Series that stay move together. */
  #forgetExpired(): void {
    const oldestMs = performance.now() - this.#expireMs;
    const kept = this.#labels.flatMap((_, i) => ((this.#countedMs[i] ?? 0) > oldestMs ? i : []));
    if (kept.length === this.#labels.length) return;
    const width = this.#width;
    const values = new Float64Array(Math.max(SERIES_AT_FIRST, kept.length) * width);
    kept.forEach((from, to) => {
      values.set(this.#values.subarray(from * width, (from + 1) * width), to * width);
    });
    const countedMs = kept.map((from) => this.#countedMs[from] ?? 0);
    this.#labels = kept.map((from) => this.#labels[from] ?? []);
    this.#values = values;
    this.#countedMs.splice(0, Infinity, ...countedMs);
    this.#offsets.clear();
    this.#labels.forEach((labels, i) => this.#offsets.set(keyOf(labels), i * width));
    this.layout += 1;
  }

  #addAt(index: number, by: number): void {
    this.#values[index] = (this.#values[index] ?? 0) + by;
  }

  /** Where the numbers of one series begin; they stay there while `layout` does. */
  offsetOf(labels: MetricLabels): number {
    const key = keyOf(labels);
    const known = this.#offsets.get(key);
    return known ?? this.#addSeries(key, labels);
  }

  #addSeries(key: string, labels: MetricLabels): number {
    const { labelNames, name } = this.shape;
    if (labels.length !== labelNames.length) {
      throw new TypeError(`metric ${name}: ${labels.length} values, ${labelNames.length} labels`);
    }
    if (this.#labels.length >= LABEL_SETS_MAX) {
      const overflow = labelNames.map(() => OVERFLOW);
      const overflowKey = keyOf(overflow);
      return this.#offsets.get(overflowKey) ?? this.#append(overflowKey, overflow);
    }
    return this.#append(key, [...labels]);
  }

  #append(key: string, labels: readonly string[]): number {
    const offset = this.#labels.length * this.#width;
    if (offset + this.#width > this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#labels.push(labels);
    this.#offsets.set(key, offset);
    return offset;
  }
}

/**
 * The series that one user of a metric counted last. A plugin's conf counts the same few again and
 * again: comparing their labels costs less than joining and looking them up.
 */
class RecentSeries {
  readonly #family: Family;
  readonly #labels: (readonly string[])[] = [];
  readonly #offsets: number[] = [];
  #next = 0;
  #layout = 0;

  constructor(family: Family) {
    this.#family = family;
  }

  offsetOf(labels: MetricLabels): number {
    if (this.#layout !== this.#family.layout) this.#forget();
    for (let i = 0; i < this.#labels.length; i++) {
      if (sameLabels(this.#labels[i] as MetricLabels, labels)) return this.#offsets[i] as number;
    }
    const offset = this.#family.offsetOf(labels);
    this.#labels[this.#next] = [...labels];
    this.#offsets[this.#next] = offset;
    this.#next = (this.#next + 1) % RECENT_SERIES;
    return offset;
  }

  #forget(): void {
    this.#layout = this.#family.layout;
    this.#labels.length = 0;
    this.#offsets.length = 0;
    this.#next = 0;
  }
}

function sameLabels(a: MetricLabels, b: MetricLabels): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function keyOf(labels: MetricLabels): string {
  let key = labels[0] ?? '';
  for (let i = 1; i < labels.length; i++) key += SEPARATOR + (labels[i] as string);
  return key;
}

function sameShape(known: FamilyShape, asked: FamilyShape): boolean {
  return (
    known.type === asked.type &&
    known.labelNames.join(SEPARATOR) === asked.labelNames.join(SEPARATOR)
  );
}
