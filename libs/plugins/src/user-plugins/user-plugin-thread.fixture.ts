// A thread as those that serve are: loads one plugin and runs a request through it.
import { parentPort, workerData } from 'node:worker_threads';
import { runPlugin } from '@polygate/testing';
import { loadPlugins } from '../load-plugins.ts';
import type { UserPluginVersion } from './user-plugin-files.ts';

export interface ThreadStart {
  readonly name: string;
  readonly versions: ReadonlyMap<string, UserPluginVersion>;
}

const { name, versions } = workerData as ThreadStart;
const onProblem = (message: string): void => {
  throw new Error(message);
};
const plugin = (await loadPlugins([name], { versions, onProblem })).get(name);
if (plugin === undefined) throw new Error(`no plugin ${name}`);
const run = await runPlugin(plugin, {});
parentPort?.postMessage(`${run.status} ${run.text.trim()}`);
