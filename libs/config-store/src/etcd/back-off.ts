import { setTimeout as sleep } from 'node:timers/promises';

export interface BackOffOptions {
  /** The first wait; each further one is twice as long. Milliseconds. */
  readonly baseMs: number;
  readonly delayMsMax: number;
  /** So many attempts come almost at once first: one for each other endpoint. */
  readonly quickAttempts: number;
}

/** Waiting between attempts: longer each time, with jitter, so that many readers spread out. */
export interface BackOff {
  /** Milliseconds before the next attempt. */
  next(): number;
  reset(): void;
}

/** A quick attempt is not immediate, so that an endpoint that fails at once makes no busy loop. */
const QUICK_DELAY_MS = 100;

/** Waits of `baseMs`, twice that, four times that … up to `delayMsMax`, shortened by ≤ half. */
export function createBackOff({ baseMs, delayMsMax, quickAttempts }: BackOffOptions): BackOff {
  let attempts = 0;
  return {
    next() {
      const step = attempts - quickAttempts;
      attempts += 1;
      const full = step < 0 ? Math.min(QUICK_DELAY_MS, baseMs) : baseMs * 2 ** Math.min(step, 30);
      return Math.min(full, delayMsMax) * (0.5 + Math.random() / 2);
    },
    reset() {
      attempts = 0;
    },
  };
}

/** Resolves after `delayMs`, or as soon as `signal` aborts. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
