import { definePlugin } from '@polygate/plugin-sdk';
import type {
  Plugin,
  PluginDefinition,
  PluginEnvironment,
  RequestContext,
} from '@polygate/plugin-sdk';
import type { BatchConf } from './batch.schema.ts';
import { logBatches, type LogBatch, type LogSink } from './log-batches.ts';
import {
  prepareLogEntry,
  type LogEntryBuilder,
  type LogEntryOptions,
} from '../log-entries/log-entry.ts';
import type { LogEntryConf } from '../log-entries/log-entry.schema.ts';

export interface BatchedLoggerConf extends BatchConf, LogEntryConf {}

export interface BatchedLoggerParts<Conf, Entry> extends LogEntryOptions {
  /** Opened with the first entry, for one conf. */
  openSink(conf: Conf, env: PluginEnvironment): LogSink<Entry>;
  /** Makes of a request's JSON what is put into batches; once per conf, then per request. */
  entryMaker(conf: Conf, env: PluginEnvironment): EntryMaker<Entry>;
}

/** Undefined: the request is not logged. */
export type EntryMaker<Entry> = (
  ctx: RequestContext,
  json: string,
  builder: LogEntryBuilder,
) => Entry | undefined;

export interface PreparedLogger<Conf, Entry> {
  readonly conf: Conf;
  readonly builder: LogEntryBuilder;
  readonly makeEntry: EntryMaker<Entry>;
  readonly batch: LogBatch<Entry>;
}

/** A plugin that sends an entry for each request away in batches. */
export function defineBatchedLogger<Conf extends BatchedLoggerConf, Entry>(
  definition: PluginDefinition<Conf>,
  parts: BatchedLoggerParts<Conf, Entry>,
): Plugin<Conf, PreparedLogger<Conf, Entry>> {
  return definePlugin<Conf, PreparedLogger<Conf, Entry>>(definition, {
    prepare: (conf, env) => ({
      conf,
      builder: prepareLogEntry(conf, env, parts),
      makeEntry: parts.entryMaker(conf, env),
      batch: logBatches.acquire({
        plugin: definition.name,
        conf,
        env,
        openSink: () => parts.openSink(conf, env),
      }),
    }),

    runsIn(phase, { builder }) {
      if (phase === 'access') return builder.readsRequestBody;
      return phase !== 'bodyFilter' || builder.readsResponseBody;
    },

    dispose: ({ batch }) => batch.release(),

    access: (ctx, { builder }) => builder.readRequestBody(ctx),

    bodyFilter: (ctx, { builder }, chunk) => builder.captureResponse(ctx, chunk),

    log(ctx, { builder, makeEntry, batch }) {
      const json = builder.json(ctx);
      const entry = json === undefined ? undefined : makeEntry(ctx, json, builder);
      if (entry !== undefined) batch.push(ctx, entry, json?.length ?? 0);
    },
  });
}

/** For a sink that wants the entries as they are. */
export const jsonEntries = (): EntryMaker<string> => (_ctx, json) => json;

/** One entry as it is where batches hold one only, a list of them otherwise. */
export function jsonOfBatch(entries: readonly string[], { batch_max_size }: BatchConf): string {
  return batch_max_size === 1 ? (entries[0] ?? '') : `[${entries.join(',')}]`;
}
