import type { RunnerState } from '@polygate/rpc';
import type { RunnerGeneration } from './runner-generation.ts';

/** State as `ListRunners` tells it. */
export interface RunnerStatus {
  readonly name: string;
  readonly state: RunnerState;
  /** 0 where we did not start the process. */
  readonly pid: number;
  readonly restarts: number;
  readonly lastError: string;
}

/** Something that takes plugin calls. */
export interface Runner {
  /**
   * Whether an answer without the call's id is a failure. All real runners echo it; Python's report
   * of a failed plugin, which otherwise reads as "continue", does not. A runner given by
   * `path_for_test` may be a test's own, and those that APISIX is tested with leave it out.
   */
  readonly requiresReplyId: boolean;
  /** Where calls go now; undefined: ask `whenReady`. */
  readonly current: RunnerGeneration | undefined;
  /** @throws {CallError} UNAVAILABLE: at once, or when a starting runner takes too long. */
  whenReady(): Promise<RunnerGeneration>;
  /** Nobody listens on the socket of this generation. */
  noteUnreachable(generation: RunnerGeneration, why: string): void;
  status(): RunnerStatus;
  stop(): Promise<void>;
}
