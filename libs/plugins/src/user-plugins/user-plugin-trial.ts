// A thread that loads a version of a user's plugin and says how that went. Code that never ends, that
// ends the process or that fills the memory does so here, and not in the thread that serves.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { importUserDefinition, importUserPlugin } from './user-plugin-modules.ts';
import type { UserPluginTrial } from './try-user-plugin.ts';

if (!isMainThread) {
  const { version, parts } = workerData as UserPluginTrial;
  const load = parts === 'code' ? importUserPlugin : importUserDefinition;
  const problem = await load(version).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  parentPort?.postMessage({ problem });
}
