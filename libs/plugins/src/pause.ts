/** The most that a timer can wait, about 24 days. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Waits, but no longer than somebody waits for the answer. Never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, TIMER_MS_MAX));
    signal.addEventListener('abort', end);
  });
}
