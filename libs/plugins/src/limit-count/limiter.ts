import type { SharedState } from '@polygate/plugin-sdk';

/** What a limiter says of one request. */
export interface Admission {
  readonly isAdmitted: boolean;
  /** Requests; below zero when it is refused. */
  readonly remaining: number;
  /** Seconds, with fractions, until there is more. */
  readonly resetSeconds: number;
}

export interface Window {
  readonly limit: number;
  readonly seconds: number;
}

/** Counts requests by key. */
export interface Limiter {
  /** A `cost` of 0 only looks. Rejects when whoever counts cannot be asked. */
  count(key: string, cost: number, window: Window): Admission | Promise<Admission>;
}

/** A limiter that also counts what was let in already. */
export interface CommittingLimiter extends Limiter {
  count(key: string, cost: number, window: Window): Promise<Admission>;
  /** Adds `cost` whatever the count is. */
  commit(key: string, cost: number, window: Window): Promise<Admission>;
}

/** Counts from the first request of a key on, for the length of the window. */
export function fixedLimiter(
  shared: SharedState,
  keyPrefix: string,
): Limiter & {
  count(key: string, cost: number, window: Window): Admission;
} {
  return {
    count(key, cost, { limit, seconds }) {
      const { count, resetMs } = shared.incrementWindow(keyPrefix + key, cost, seconds * 1000);
      return {
        isAdmitted: count <= limit,
        remaining: limit - count,
        resetSeconds: resetMs / 1000,
      };
    },
  };
}

/**
 * Windows lie one after the other, at multiples of their length since the epoch. Of the one before,
 * the share that a window reaching back from now would cover counts too. Source: limit-
 * count/sliding-window/sliding-window.lua.
 */
export function slidingLimiter(
  shared: SharedState,
  keyPrefix: string,
): Limiter & {
  count(key: string, cost: number, window: Window): Admission;
} {
  return {
    count(key, cost, window) {
      const now = slidingWindow(Date.now() / 1000, window.seconds);
      const lengthMs = window.seconds * 2000;
      const lastKey = `${keyPrefix}${key}.${now.id - 1}`;
      const last = Math.min(shared.incrementWindow(lastKey, 0, lengthMs).count, window.limit);
      const limit = window.limit - carriedOver(last, now, window);
      const counted = `${keyPrefix}${key}.${now.id}`;
      const { count, isAdmitted } = shared.incrementWindowBelow(counted, cost, lengthMs, limit);
      return slidingAdmission({ isAdmitted, count, last }, now, window);
    },
  };
}

export interface SlidingWindow {
  readonly id: number;
  readonly remainingSeconds: number;
}

/** `now` in seconds since the epoch. */
export function slidingWindow(now: number, seconds: number): SlidingWindow {
  return { id: Math.floor(now / seconds), remainingSeconds: seconds - (now % seconds) };
}

/** How much of the count of the window before counts still. */
function carriedOver(last: number, now: SlidingWindow, { seconds }: Window): number {
  return (last / seconds) * now.remainingSeconds;
}

interface SlidingCount {
  readonly isAdmitted: boolean;
  /** Of the window. */
  readonly count: number;
  /** Of the window before, at most the limit. */
  readonly last: number;
}

export function slidingAdmission(
  { isAdmitted, count, last }: SlidingCount,
  now: SlidingWindow,
  window: Window,
): Admission {
  if (isAdmitted) {
    const remaining = Math.floor(window.limit - count - carriedOver(last, now, window));
    return { isAdmitted, remaining, resetSeconds: upToHundredths(now.remainingSeconds) };
  }
  // as long as it takes the window before to slide out of the way
  const isFull = count >= window.limit || last === 0;
  const waitSeconds = isFull
    ? now.remainingSeconds
    : now.remainingSeconds - (window.limit - count) / (last / window.seconds);
  return { isAdmitted, remaining: -1, resetSeconds: upToHundredths(Math.max(0, waitSeconds)) };
}

function upToHundredths(seconds: number): number {
  return Math.ceil(seconds * 100) / 100;
}
