import type { SharedState, WindowCount } from '@polygate/plugin-sdk';

interface Window {
  count: number;
  endMs: number;
}

/** SharedState of one thread. `now` in milliseconds: pass a FakeClock's to let windows end. */
export function memorySharedState(now: () => number = Date.now): SharedState {
  const windows = new Map<string, Window>();
  return {
    incrementWindow(key: string, cost: number, windowMs: number): WindowCount {
      const nowMs = now();
      let window = windows.get(key);
      if (window === undefined || window.endMs <= nowMs) {
        window = { count: 0, endMs: nowMs + windowMs };
        if (cost !== 0) windows.set(key, window);
      }
      window.count += cost;
      return { count: window.count, resetMs: window.endMs - nowMs };
    },
    clearWindow: (key) => void windows.delete(key),
  };
}
