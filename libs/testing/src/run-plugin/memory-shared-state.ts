import type { SharedState } from '@polygate/plugin-sdk';

interface Entry {
  endMs: number;
  value: number;
  second: number;
}

/** SharedState of one thread. `now` in milliseconds: pass a FakeClock's to let windows end. */
export function memorySharedState(now: () => number = Date.now): SharedState {
  const entries = new Map<string, Entry>();
  const find = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    return entry !== undefined && entry.endMs > now() ? entry : undefined;
  };
  const claim = (key: string, endMs: number): Entry => {
    const entry = { endMs, value: 0, second: 0 };
    entries.set(key, entry);
    return entry;
  };
  const add = (entry: Entry, cost: number) => {
    entry.value += cost;
    return { count: entry.value, resetMs: entry.endMs - now() };
  };
  return {
    incrementWindow(key, cost, windowMs) {
      const entry = find(key);
      if (entry === undefined && cost === 0) return { count: 0, resetMs: windowMs };
      return add(entry ?? claim(key, now() + windowMs), cost);
    },
    clearWindow: (key) => void entries.delete(key),
    incrementWindowBelow(key, cost, windowMs, limit) {
      const entry = find(key) ?? claim(key, now() + windowMs);
      const isAdmitted = entry.value < limit;
      return { ...add(entry, isAdmitted ? cost : 0), isAdmitted };
    },
    pourIntoBucket(key, ratePerSecond, burst) {
      const found = find(key);
      const lost = (ratePerSecond * Math.abs(now() - (found?.second ?? 0))) / 1000;
      const excess = found === undefined ? 0 : Math.max(found.value - lost + 1, 0);
      if (found !== undefined && excess > burst) return -1;
      const endMs = now() + ((excess + 1) / ratePerSecond) * 1000;
      entries.set(key, { endMs, value: excess, second: now() });
      return excess;
    },
    takePlace(key, max) {
      const taken = find(key)?.value ?? 0;
      if (taken >= max) return 0;
      return add(find(key) ?? claim(key, Infinity), 1).count;
    },
    releasePlace(key) {
      const entry = find(key);
      if (entry === undefined) return 0;
      if (add(entry, -1).count <= 0) entries.delete(key);
      return entry.value;
    },
    takeFromQuota(key, cost) {
      const entry = find(key);
      if (entry === undefined) return undefined;
      const remaining = entry.value - entry.second - cost;
      if (remaining >= 0) entry.second += cost;
      return { remaining, resetMs: entry.endMs - now() };
    },
    grantQuota(key, remaining, resetMs, settled) {
      const entry = find(key) ?? claim(key, 0);
      entry.endMs = now() + resetMs;
      entry.value = remaining;
      entry.second = Math.max(0, entry.second - settled);
    },
  };
}
