import type { RunnerInstance } from './runner-pool.ts';

export interface PickOptions {
  /** Calls of one instance at a time. */
  readonly inFlightMax: number;
  /** Taken only where there is no other. */
  readonly tried?: ReadonlySet<RunnerInstance> | undefined;
  /** Which of equals: any number, another each time. */
  readonly turn: number;
}

/** The instance with the fewest calls; undefined where all are full. */
export function leastBusy<I extends RunnerInstance>(
  instances: readonly I[],
  { inFlightMax, tried, turn }: PickOptions,
): I | undefined {
  let best: I | undefined;
  let bestTried: I | undefined;
  for (let i = 0; i < instances.length; i += 1) {
    const instance = instances[(i + turn) % instances.length] as I;
    if (instance.callsInFlight >= inFlightMax) continue;
    if (tried?.has(instance)) {
      if (instance.callsInFlight < (bestTried?.callsInFlight ?? Infinity)) bestTried = instance;
    } else if (instance.callsInFlight < (best?.callsInFlight ?? Infinity)) best = instance;
  }
  return best ?? bestTried;
}
