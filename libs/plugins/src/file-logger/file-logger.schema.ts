import type { PluginDefinition } from '@polygate/plugin-sdk';
import {
  checkLogEntryConf,
  LOG_FORMAT_SCHEMA,
  LOG_MATCH_SCHEMA,
  LOGGED_BODIES_SCHEMA,
  type LogEntryConf,
} from '../log-entries/log-entry.schema.ts';

export interface FileLoggerConf extends LogEntryConf {
  readonly path?: string;
}

/**
 * Source: apisix/plugins/file-logger.lua. That there is a path, here or in the metadata, shows when a
 * conf is prepared.
 */
export const definition: PluginDefinition<FileLoggerConf> = {
  name: 'file-logger',
  version: 0.1,
  priority: 399,
  schema: {
    type: 'object',
    properties: {
      path: { type: 'string' },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...LOG_MATCH_SCHEMA,
    },
  },
  metadataSchema: {
    type: 'object',
    properties: { path: { type: 'string' }, ...LOG_FORMAT_SCHEMA },
  },
  check: checkLogEntryConf,
};
