/** Wakes whoever waits for something to change. Carries no data: the waiter looks for itself. */
export interface Pulse {
  /** Counts the beats; a waiter remembers it before it looks, so that no beat falls in between. */
  readonly beats: number;
  beat(): void;
  /** Resolves once `beats` is greater than `seen`, or when `signal` aborts. */
  next(seen: number, signal: AbortSignal): Promise<void>;
}

export function createPulse(): Pulse {
  let beats = 0;
  const waiting = new Set<() => void>();
  return {
    get beats() {
      return beats;
    },
    beat() {
      beats += 1;
      const woken = [...waiting];
      waiting.clear();
      for (const wake of woken) wake();
    },
    next(seen, signal) {
      if (beats > seen || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        waiting.add(wake);
        signal.addEventListener('abort', wake);
      });
    },
  };
}
