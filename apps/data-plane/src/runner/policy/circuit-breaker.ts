import type { BreakerPolicy, SharedState } from '@polygate/plugin-sdk';

export type BreakerState = 'closed' | 'open' | 'half_open';

/**
 * Stops calls to what fails. After so many failures within a window it opens for a time; then it lets
 * one call through at a time, until one goes well. Its counters are windows of the shared state, so
 * that the workers of a process have one breaker, and a new version of a conf has the old one's.
 */
export class CircuitBreaker {
  readonly #shared: SharedState;
  readonly #policy: BreakerPolicy;
  readonly #failures: string;
  /** While it is open. */
  readonly #open: string;
  /** From opening until a call went well. */
  readonly #doubt: string;
  /** While a call tries. */
  readonly #trial: string;
  readonly #trialMs: number;

  /** `key`: what it is of. `trialMs`: what one call may take. */
  constructor(shared: SharedState, key: string, policy: BreakerPolicy, trialMs: number) {
    this.#shared = shared;
    this.#policy = policy;
    this.#failures = `ext-plugin#${key}#failures`;
    this.#open = `ext-plugin#${key}#open`;
    this.#doubt = `ext-plugin#${key}#doubt`;
    this.#trial = `ext-plugin#${key}#trial`;
    this.#trialMs = trialMs;
  }

  get state(): BreakerState {
    if (this.#isSet(this.#open)) return 'open';
    return this.#isSet(this.#doubt) ? 'half_open' : 'closed';
  }

  /** Whether a call may go. */
  admit(): boolean {
    switch (this.state) {
      case 'closed':
        return true;
      case 'open':
        return false;
      case 'half_open':
        return this.#shared.incrementWindow(this.#trial, 1, this.#trialMs).count === 1;
    }
  }

  succeeded(): void {
    if (!this.#isSet(this.#doubt)) return;
    for (const key of [this.#failures, this.#open, this.#doubt, this.#trial]) {
      this.#shared.clearWindow(key);
    }
  }

  failed(): void {
    const { failures, windowMs, openMs } = this.#policy;
    const isTrial = this.#isSet(this.#doubt);
    const { count } = this.#shared.incrementWindow(this.#failures, 1, windowMs);
    if (count < failures && !isTrial) return;
    // Calls of before may still fail while it is open: that does not make it longer.
    if (this.#isSet(this.#open)) return;
    this.#shared.clearWindow(this.#failures);
    this.#shared.clearWindow(this.#doubt);
    this.#shared.clearWindow(this.#trial);
    this.#shared.incrementWindow(this.#open, 1, openMs);
    this.#shared.incrementWindow(this.#doubt, 1, openMs + windowMs);
  }

  #isSet(key: string): boolean {
    return this.#shared.incrementWindow(key, 0, 1).count > 0;
  }
}
