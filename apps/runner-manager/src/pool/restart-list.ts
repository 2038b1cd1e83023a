import type { RunnerRestart } from '@polygate/rpc';
import type { RunnerLimits } from '../manager-options.ts';

/** Why processes of a pool were started anew, lately. */
export class RestartList {
  readonly #limits: Pick<RunnerLimits, 'restartsKeptMax'>;
  readonly #restarts: RunnerRestart[] = [];

  constructor(limits: Pick<RunnerLimits, 'restartsKeptMax'>) {
    this.#limits = limits;
  }

  add(restart: Omit<RunnerRestart, 'atMs'>): void {
    this.#restarts.push({ atMs: Date.now(), ...restart });
    if (this.#restarts.length > this.#limits.restartsKeptMax) this.#restarts.shift();
  }

  /** Oldest first. */
  list(): RunnerRestart[] {
    return [...this.#restarts];
  }
}
