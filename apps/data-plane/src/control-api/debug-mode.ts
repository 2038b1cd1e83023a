import { join } from 'node:path';
import type { Logger, PluginDefinition } from '@polygate/plugin-sdk';
import { watchDebugFile } from './debug-file.ts';
import type { DebugFile } from './debug-file.ts';

export interface DebugModeOptions {
  /** The folder of `debug.yaml`. */
  readonly configDir: string;
  readonly log: Logger;
  readonly plugins: () => readonly PluginDefinition[];
  /** Tells the workers. */
  readonly set: (on: boolean) => void;
}

/** APISIX's debug mode, for as long as the answer is not closed: docs/en/latest/debug-mode.md. */
export function startDebugMode({
  configDir,
  log,
  plugins,
  set,
}: DebugModeOptions): Promise<DebugFile> {
  let wasOn = false;
  return watchDebugFile({
    file: join(configDir, 'debug.yaml'),
    log,
    onChange({ basic, hooks }) {
      if (hooks)
        log.warn('debug.yaml: hook_conf has no effect, there are no Lua functions to trace');
      if (basic === wasOn) return;
      wasOn = basic;
      set(basic);
      log.warn(`debug mode is ${basic ? 'on' : 'off'}`);
      if (!basic) return;
      for (const { priority, name } of plugins()) {
        log.warn(`loaded plugin and sort by priority: ${priority} name: ${name}`);
      }
    },
  });
}
