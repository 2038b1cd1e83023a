import { setTimeout as sleep } from 'node:timers/promises';
import type { HealthState } from '@polygate/chassis';

const CHECK_INTERVAL_MS = 2000;

/**
 * Asks the store every two seconds, and lets `health` say whether it answers, until `signal`
 * aborts. Never rejects.
 */
export async function watchStoreHealth(
  checkStore: () => Promise<void>,
  health: HealthState,
  signal: AbortSignal,
): Promise<void> {
  health.setNotReady('store', 'not reached yet');
  while (!signal.aborted) {
    try {
      await checkStore();
      health.setReady('store');
    } catch (error) {
      health.setNotReady('store', error instanceof Error ? error.message : String(error));
    }
    // rejects only when `signal` aborts
    await sleep(CHECK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
}
