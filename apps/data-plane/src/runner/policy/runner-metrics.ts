import type { Counter, Gauge, Histogram, MetricRegistry } from '@polygate/plugin-sdk';
import type { LinkState } from '../link/runner-client.ts';
import type { CallOutcome } from './call-outcome.ts';
import type { BreakerState } from './circuit-breaker.ts';

/** Milliseconds: a plugin that is asked for each request takes few of them. */
const BUCKETS_MS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 60_000];

const BREAKER_NUMBERS: Readonly<Record<BreakerState, number>> = {
  closed: 0,
  half_open: 1,
  open: 2,
};

/** A breaker, as metrics and the Control API show it. */
export interface BreakerReport {
  /** `route#1#ext-plugin-pre-req`. */
  readonly owner: string;
  readonly runner: string;
  readonly state: BreakerState;
}

/** Counts calls to runners. Polygate's own: APISIX has none of it. */
export class RunnerMetrics {
  readonly #calls: Counter;
  readonly #durations: Histogram;
  readonly #linkUp: Gauge;
  readonly #inFlight: Gauge;
  readonly #breakers: Gauge;

  constructor(registry: MetricRegistry, prefix: string) {
    const labels = ['runner', 'plugin'];
    this.#calls = registry.counter(
      `${prefix}polygate_runner_calls_total`,
      'Calls of external plugins by how they ended; plugin: the first of a conf',
      [...labels, 'outcome'],
    );
    this.#durations = registry.histogram(
      `${prefix}polygate_runner_call_duration_milliseconds`,
      'What calls of external plugins took',
      labels,
      BUCKETS_MS,
    );
    this.#linkUp = registry.gauge(
      `${prefix}polygate_runner_manager_links`,
      'Workers that are connected to a runner manager',
      ['manager'],
    );
    this.#inFlight = registry.gauge(
      `${prefix}polygate_runner_calls_in_flight`,
      'Calls of external plugins that a runner manager has not answered yet',
      ['manager'],
    );
    this.#breakers = registry.gauge(
      `${prefix}polygate_runner_breaker_state`,
      'Circuit breakers of external plugins: 0 closed, 1 half open, 2 open',
      ['owner', 'runner'],
    );
  }

  /** A series of its own for each conf and runner: labels are compared once. */
  countCall(labels: CallLabels, outcome: CallOutcome, durationMs: number): void {
    this.#calls.increment(labels.outcomes[outcome]);
    if (outcome === 'ok') this.#durations.observe(labels.plain, durationMs);
  }

  publish(links: readonly LinkState[], breakers: readonly BreakerReport[]): void {
    for (const { address, connected, callsInFlight } of links) {
      this.#linkUp.set([address], connected ? 1 : 0);
      this.#inFlight.set([address], callsInFlight);
    }
    for (const { owner, runner, state } of breakers) {
      this.#breakers.set([owner, runner], BREAKER_NUMBERS[state]);
    }
  }
}

/** Made once per conf. */
export interface CallLabels {
  readonly plain: readonly string[];
  readonly outcomes: Readonly<Record<CallOutcome, readonly string[]>>;
}

export function callLabels(runner: string, plugin: string): CallLabels {
  const of = (outcome: CallOutcome): readonly string[] => [runner, plugin, outcome];
  return {
    plain: [runner, plugin],
    outcomes: {
      ok: of('ok'),
      unavailable: of('unavailable'),
      overloaded: of('overloaded'),
      circuit_open: of('circuit_open'),
      timeout: of('timeout'),
      failed: of('failed'),
      aborted: of('aborted'),
    },
  };
}
