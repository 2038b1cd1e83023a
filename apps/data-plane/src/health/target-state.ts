import type { HealthLimits } from './check-settings.ts';

export type HealthStatus = 'healthy' | 'mostly_healthy' | 'mostly_unhealthy' | 'unhealthy';

/** What became of a probe or a request: `status` 0 is an answer that is no HTTP. */
export type Outcome =
  | { readonly kind: 'success' | 'tcp' | 'timeout' }
  | { readonly kind: 'status'; readonly status: number };

export interface HealthCounters {
  success: number;
  http_failure: number;
  tcp_failure: number;
  timeout_failure: number;
}

/** What a report did, for the log: how far the counter is, of how many. */
export interface Increment {
  readonly report: 'healthy' | 'unhealthy';
  readonly counter: 'SUCCESS' | 'HTTP' | 'TCP' | 'TIMEOUT';
  readonly count: number;
  readonly limit: number;
}

const FIELD = {
  SUCCESS: 'success',
  HTTP: 'http_failure',
  TCP: 'tcp_failure',
  TIMEOUT: 'timeout_failure',
} as const;

/**
 * State and counters of one target, as `incr_counter` of lua-resty-healthcheck keeps them: a failure
 * clears the successes, a success all failures; what says nothing new of a target is not counted.
 */
export class TargetState {
  #status: HealthStatus = 'healthy';
  readonly counters: HealthCounters = {
    success: 0,
    http_failure: 0,
    tcp_failure: 0,
    timeout_failure: 0,
  };

  get status(): HealthStatus {
    return this.#status;
  }

  get isHealthy(): boolean {
    return isWell(this.#status);
  }

  /** After a change of the checks: on the way somewhere is back where it came from. */
  settle(): void {
    this.#status = this.isHealthy ? 'healthy' : 'unhealthy';
  }

  /** Undefined where the report counts for nothing. */
  report(outcome: Outcome, limits: HealthLimits): Increment | undefined {
    const meant = meaningOf(outcome, limits);
    if (meant === undefined || meant.limit === 0 || meant.report === this.#status) return undefined;
    const { counters } = this;
    const count = ++counters[FIELD[meant.counter]];
    if (meant.report === 'healthy') {
      counters.http_failure = 0;
      counters.tcp_failure = 0;
      counters.timeout_failure = 0;
    } else {
      counters.success = 0;
    }
    if (count >= meant.limit) this.#status = meant.report;
    else if (this.#status === 'healthy') this.#status = 'mostly_healthy';
    else if (this.#status === 'unhealthy') this.#status = 'mostly_unhealthy';
    return { ...meant, count };
  }
}

/** Whether a target of this state gets requests. */
export function isWell(status: HealthStatus): boolean {
  return status === 'healthy' || status === 'mostly_healthy';
}

function meaningOf(outcome: Outcome, limits: HealthLimits): Omit<Increment, 'count'> | undefined {
  switch (outcome.kind) {
    case 'success':
      return { report: 'healthy', counter: 'SUCCESS', limit: limits.successes };
    case 'tcp':
      return { report: 'unhealthy', counter: 'TCP', limit: limits.tcpFailures };
    case 'timeout':
      return { report: 'unhealthy', counter: 'TIMEOUT', limit: limits.timeouts };
    case 'status': {
      const { status } = outcome;
      if (limits.healthyStatuses.has(status)) return meaningOf({ kind: 'success' }, limits);
      if (status !== 0 && !limits.unhealthyStatuses.has(status)) return undefined;
      return { report: 'unhealthy', counter: 'HTTP', limit: limits.httpFailures };
    }
  }
}
