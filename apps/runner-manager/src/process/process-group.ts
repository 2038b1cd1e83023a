import { setTimeout as sleep } from 'node:timers/promises';

const GROUP_POLL_MS = 20;

/** SIGTERM, then SIGKILL to what is left after the grace time. */
export async function endGroup(processGroup: number, graceMs: number): Promise<void> {
  const deadlineMs = performance.now() + graceMs;
  let alive = signalGroup(processGroup, 'SIGTERM');
  while (alive && performance.now() < deadlineMs) {
    await sleep(GROUP_POLL_MS);
    alive = signalGroup(processGroup, 0);
  }
  if (alive) signalGroup(processGroup, 'SIGKILL');
}

/** False when no process of the group is left. */
export function signalGroup(processGroup: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-processGroup, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}
