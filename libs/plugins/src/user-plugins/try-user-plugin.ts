import { Worker } from 'node:worker_threads';
import type { UserPluginVersion } from './user-plugin-files.ts';

const TRIAL_TIMEOUT_MS = 10_000;
const TRIAL_HEAP_MIB_MAX = 256;

/** `definitions`: where a plugin has its definition in a file of its own, its code is not loaded. */
export type UserPluginParts = 'code' | 'definitions';

export interface UserPluginTrial {
  readonly version: UserPluginVersion;
  readonly parts: UserPluginParts;
}

/** Loads a version in a thread of its own. Rejects with why it cannot be loaded. */
export async function tryUserPlugin(trial: UserPluginTrial): Promise<void> {
  const thread = new Worker(new URL('./user-plugin-trial.ts', import.meta.url), {
    workerData: trial,
    resourceLimits: { maxOldGenerationSizeMb: TRIAL_HEAP_MIB_MAX },
    // what it prints is of no use before it serves, and what it prints at the end would be lost
    stdout: true,
    stderr: true,
  });
  let timer: NodeJS.Timeout | undefined;
  const outcome = new Promise<string | undefined>((resolve) => {
    const reason = `it was not loaded within ${TRIAL_TIMEOUT_MS} ms`;
    timer = setTimeout(() => resolve(reason), TRIAL_TIMEOUT_MS);
    thread.once('message', ({ problem }: { problem: string | undefined }) => resolve(problem));
    thread.once('error', (error) => resolve(error instanceof Error ? error.message : 'it failed'));
    thread.once('exit', () => resolve('it ended the thread that loaded it'));
  });
  const problem = await outcome;
  clearTimeout(timer);
  await thread.terminate();
  if (problem !== undefined) throw new Error(problem);
}
