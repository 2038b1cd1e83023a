import type { CallError } from '../call-error.ts';
import type { RunnerInstance } from './runner-pool.ts';

interface Waiter {
  readonly resolve: (instance: RunnerInstance) => void;
  readonly reject: (error: CallError) => void;
  readonly timer: NodeJS.Timeout;
}

/** Calls that wait for an instance that is starting. */
export class ReadyWaiters {
  readonly #waiters = new Set<Waiter>();

  get size(): number {
    return this.#waiters.size;
  }

  /** @throws {CallError} through the promise, `late` after `waitMs`. */
  add(waitMs: number, late: () => CallError): Promise<RunnerInstance> {
    const { promise, resolve, reject } = Promise.withResolvers<RunnerInstance>();
    const timer = setTimeout(() => {
      this.#waiters.delete(waiter);
      reject(late());
    }, waitMs);
    const waiter: Waiter = { resolve, reject, timer };
    this.#waiters.add(waiter);
    return promise;
  }

  resolveAll(pick: () => RunnerInstance): void {
    for (const { resolve } of this.#takeAll()) resolve(pick());
  }

  rejectAll(error: CallError): void {
    for (const { reject } of this.#takeAll()) reject(error);
  }

  #takeAll(): Waiter[] {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const { timer } of waiters) clearTimeout(timer);
    return waiters;
  }
}
