export interface CallLimitsOptions {
  /** More wait, in the order they came. */
  readonly callsMax: number;
  /** From when a call was received to its answer. */
  readonly callTimeoutMs: number;
}

/** What is swept: a connection with at most one call. */
export interface CallHolder {
  /** Ends the call when it was received before this. */
  endCallsBefore(receivedAtMs: number): void;
}

const SWEEP_MS_MAX = 250;

/**
 * How many calls run at once, and how long. One timer sweeps all connections: a timer per call costs
 * more than a small call.
 */
export class CallLimits {
  readonly #options: CallLimitsOptions;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: CallLimitsOptions) {
    this.#options = options;
  }

  /** Has `start` called, now or when it is its turn; whoever was started calls `leave` once. */
  enter(start: () => void): void {
    if (this.#running >= this.#options.callsMax) {
      this.#waiting.push(start);
      return;
    }
    this.#running += 1;
    start();
  }

  leave(): void {
    const next = this.#waiting.shift();
    // Not from here: a chain of calls that wait for nothing would nest as deep as it is long.
    if (next !== undefined) setImmediate(next);
    else this.#running -= 1;
  }

  /** Until the function it returns is called. */
  sweep(holders: Iterable<CallHolder>): () => void {
    const { callTimeoutMs } = this.#options;
    const everyMs = Math.max(1, Math.min(SWEEP_MS_MAX, callTimeoutMs / 4));
    const timer = setInterval(() => {
      const beforeMs = performance.now() - callTimeoutMs;
      for (const holder of holders) holder.endCallsBefore(beforeMs);
    }, everyMs).unref();
    return () => clearInterval(timer);
  }
}
