import type { MetricRegistry } from './metrics.ts';
import type { Logger } from './request-context.ts';

/** A line of this thread's error log, as it was written. */
export interface ErrorLogLine {
  readonly level: string;
  /** Without the end of the line. */
  readonly text: string;
}

export interface ErrorLog {
  /** The listener is called while a line is written, and must not throw. Answers how to end it. */
  subscribe(listener: (line: ErrorLogLine) => void): () => void;
}

/** What a plugin goes by that works beside requests. */
export interface BackgroundSources {
  /** `/plugin_metadata/<name>` as it is now, validated. */
  metadata(): Readonly<Record<string, unknown>>;
  readonly errorLog: ErrorLog;
  readonly metrics: MetricRegistry;
  readonly log: Logger;
}
