import type { Runner, RunnerLogLine } from '@polygate/rpc';
import type { ConfTokens } from '../connection/conf-tokens.ts';
import type { RunnerConnections } from '../connection/runner-connections.ts';

/**
 * One run of a process that takes calls, or one socket of somebody else's. Connections and tokens
 * end with it: whatever comes after it, under the same index too, is another instance.
 */
export interface RunnerInstance {
  /** Within its generation, from 0. */
  readonly index: number;
  /** 0 where we did not start the process. */
  readonly generation: number;
  readonly socketPath: string;
  readonly connections: RunnerConnections;
  readonly tokens: ConfTokens;
  /** From then on nothing answers any more, and `connections` are closed. */
  readonly ended: boolean;
  /** Kept by whoever makes the calls; the least busy is picked, and draining waits for 0. */
  callsInFlight: number;
  /** Calls so far, kept by whoever makes them. */
  calls: number;
}

/**
 * Hands over to a new instance what it has to know before it gets calls. Rejects when it did not
 * take it: the instance gets none.
 *
 * @param signal The instance ended, or took too long.
 */
export type WarmUp = (instance: RunnerInstance, signal: AbortSignal) => Promise<void>;

/** What `ListRunners` tells about the processes of a pool. */
export type RunnerPoolStatus = Pick<
  Runner,
  'name' | 'state' | 'generation' | 'plugins' | 'instances' | 'recentRestarts'
>;

/** The instances of one command, or a socket of somebody else's, under one name. */
export interface RunnerPool {
  readonly name: string;
  /** Names that the configuration says its plugins have; empty: any. */
  readonly plugins: readonly string[];
  /**
   * Whether an answer without the call's id is a failure. All real runners echo it; Python's report
   * of a failed plugin, which otherwise reads as "continue", does not. A runner given by
   * `path_for_test` may be a test's own, and those that APISIX is tested with leave it out.
   */
  readonly requiresReplyId: boolean;
  /** Where the call names none. */
  readonly callTimeoutMs: number;
  /** Calls of one instance at a time; Infinity: no limit. */
  readonly inFlightMax: number;
  /** Instances take calls, though each may have as many as it takes. */
  readonly ready: boolean;
  /**
   * Takes calls now, the least busy first; one of those in `tried` only where there is no other.
   * Undefined: none is ready (ask `whenReady`), or each has `inFlightMax` calls (`ready` is true
   * then: wait for the end of a call, or for `watchReady`).
   */
  pick(tried?: ReadonlySet<RunnerInstance>): RunnerInstance | undefined;
  /**
   * The least busy as soon as one is ready, even if it has `inFlightMax` calls.
   *
   * @throws {CallError} UNAVAILABLE at once, or when a starting runner takes too long.
   */
  whenReady(): Promise<RunnerInstance>;
  /** Calls `onReady` whenever an instance begins to take calls, until the answer is called. */
  watchReady(onReady: () => void): () => void;
  /** Nobody listens on the socket of this instance. */
  noteUnreachable(instance: RunnerInstance, why: string): void;
  /**
   * Replaces all instances by a new generation without failing a call. Resolves to its number once
   * it has the traffic; the old one may still drain then.
   *
   * @throws {RpcError} FAILED_PRECONDITION when we do not start the process, or when the new
   * generation did not get ready: the old one goes on.
   */
  restart(reason: string): Promise<number>;
  /** Calls `onLine` for each line written from now on, until the answer is called. */
  watchLog(onLine: (line: RunnerLogLine) => void): () => void;
  /** Oldest first. */
  lastLines(): readonly RunnerLogLine[];
  status(): RunnerPoolStatus;
  /** Ends all processes; resolves when they are gone. */
  stop(): Promise<void>;
}
