import type { ManagerRunners } from './link/list-runners.ts';
import type { LinkState } from './link/runner-client.ts';
import type { BreakerReport } from './policy/runner-metrics.ts';

/** What one worker knows of runners and their managers: data that can be sent between threads. */
export interface RunnersReport {
  readonly workerId: number;
  readonly links: readonly LinkState[];
  readonly callsInFlight: number;
  readonly confsHeld: number;
  readonly breakers: readonly BreakerReport[];
  /** Empty where nobody was asked. */
  readonly managers: readonly ManagerRunners[];
}
