import type { RunnerConfig } from '@polygate/chassis';
import type { ManagerLog, RunnerLimits } from '../manager-options.ts';
import type { RunnerPool, WarmUp } from './runner-pool.ts';

/** A pool as the manager sees it. */
export interface ManagedPool extends RunnerPool {
  readonly config: RunnerConfig;
  /** Stops after the calls under way, up to `drainMsMax`; takes no new ones. */
  retire(): Promise<void>;
}

export interface PoolOptions<C extends RunnerConfig = RunnerConfig> {
  readonly config: C;
  /** Absolute. */
  readonly runDir: string;
  readonly limits: RunnerLimits;
  readonly log: ManagerLog;
  readonly warmUp: WarmUp;
}
