import { FailureReason, RunnerState } from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { ExternalRunnerSource, RunnerLimits } from '../manager-options.ts';
import { RunnerGeneration } from './runner-generation.ts';
import type { Runner, RunnerStatus } from './runner.ts';

/** A runner started by hand (`ext-plugin.path_for_test`): it may come and go as it likes. */
export class ExternalRunner implements Runner {
  readonly requiresReplyId: boolean;
  readonly #name: string;
  readonly #generation: RunnerGeneration;
  #lastError = '';
  #stopped = false;

  constructor(
    name: string,
    { socketPath, requiresReplyId = false }: ExternalRunnerSource,
    limits: RunnerLimits,
  ) {
    this.#name = name;
    this.requiresReplyId = requiresReplyId;
    this.#generation = new RunnerGeneration(socketPath, limits);
  }

  get current(): RunnerGeneration | undefined {
    return this.#stopped ? undefined : this.#generation;
  }

  whenReady(): Promise<RunnerGeneration> {
    return Promise.reject(new CallError(FailureReason.UNAVAILABLE, 'the runner is stopped'));
  }

  /** Whoever listens there next does not know the tokens of the one before. */
  noteUnreachable(generation: RunnerGeneration, why: string): void {
    this.#lastError = why;
    generation.tokens.clear();
  }

  status(): RunnerStatus {
    const state = this.#stopped ? RunnerState.STOPPED : RunnerState.READY;
    return { name: this.#name, state, pid: 0, restarts: 0, lastError: this.#lastError };
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#generation.end();
    return Promise.resolve();
  }
}
