import { definePlugin, lineFiles } from '@polygate/plugin-sdk';
import type { LineFile } from '@polygate/plugin-sdk';
import { prepareLogEntry, type LogEntryBuilder } from '../log-entries/log-entry.ts';
import { definition, type FileLoggerConf } from './file-logger.schema.ts';

interface Prepared {
  readonly entry: LogEntryBuilder;
  /** Undefined where no path is set. */
  readonly path: string | undefined;
  readonly file: LineFile | undefined;
}

/**
 * Writes a line of JSON for each request to a file. A relative path counts from the working directory
 * of the process.
 */
export default definePlugin<FileLoggerConf, Prepared>(definition, {
  prepare(conf, env) {
    const fallback = env.metadata['path'];
    const path = conf.path ?? (typeof fallback === 'string' ? fallback : undefined);
    if (path === undefined) {
      env.log.error('property "path" is not set in either the plugin conf or the metadata');
    }
    return {
      entry: prepareLogEntry(conf, env),
      path,
      file: path === undefined ? undefined : lineFiles.acquire(path, env.log),
    };
  },

  runsIn(phase, { entry, file }) {
    if (file === undefined) return false;
    if (phase === 'access') return entry.readsRequestBody;
    return phase !== 'bodyFilter' || entry.readsResponseBody;
  },

  dispose({ path }) {
    if (path !== undefined) lineFiles.release(path);
  },

  access(ctx, { entry }) {
    return entry.readRequestBody(ctx);
  },

  bodyFilter(ctx, { entry }, chunk) {
    entry.captureResponse(ctx, chunk);
  },

  log(ctx, { entry, file }) {
    const json = entry.json(ctx);
    if (json !== undefined) file?.write(`${json}\n`);
  },
});
