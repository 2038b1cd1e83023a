import type { Outcome } from './target-state.ts';

/** From the main thread to a worker: which targets of an upstream are to get no requests. */
export interface HealthChange {
  /** `routes/1` */
  readonly key: string;
  /** Undefined: nobody checks them any more. */
  readonly unhealthy: readonly string[] | undefined;
}

/** From a worker: what requests met with, a batch at a time. */
export interface HealthReports {
  /** Upstreams that were used for the first time. */
  readonly used: readonly string[];
  readonly reports: readonly HealthReport[];
}

export interface HealthReport {
  readonly key: string;
  /** As `targetId`. */
  readonly target: string;
  readonly outcome: Outcome;
}
