import { GOOGLE_TOKEN_URI, type GoogleAccount } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import { LOG_FORMAT_SCHEMA } from '../log-entries/log-entry.schema.ts';

export interface GoogleAuthConf extends GoogleAccount {
  readonly project_id: string;
  /** In the place of `scope`. */
  readonly scopes?: readonly string[];
  readonly entries_uri?: string;
}

export interface GoogleCloudLoggingConf extends BatchedLoggerConf {
  readonly auth_config?: GoogleAuthConf;
  /** Path of a file with JSON of the same. */
  readonly auth_file?: string;
  readonly ssl_verify: boolean;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly log_id: string;
}

export const ENTRIES_URI = 'https://logging.googleapis.com/v2/entries:write';

const SCOPES = {
  type: 'array',
  items: { description: 'Google OAuth2 Authorization Scopes', type: 'string' },
  minItems: 1,
  uniqueItems: true,
};

/** Source: apisix/plugins/google-cloud-logging.lua. */
export const definition: PluginDefinition<GoogleCloudLoggingConf> = {
  name: 'google-cloud-logging',
  version: 0.1,
  priority: 407,
  schema: {
    type: 'object',
    properties: {
      auth_config: {
        type: 'object',
        properties: {
          client_email: { type: 'string' },
          private_key: { type: 'string' },
          project_id: { type: 'string' },
          token_uri: { type: 'string', default: GOOGLE_TOKEN_URI },
          scope: {
            ...SCOPES,
            default: ['logging.read', 'logging.write', 'logging.admin', 'cloud-platform'].map(
              (scope) => `https://www.googleapis.com/auth/${scope}`,
            ),
          },
          scopes: SCOPES,
          entries_uri: { type: 'string', default: ENTRIES_URI },
        },
        required: ['client_email', 'private_key', 'project_id', 'token_uri'],
      },
      ssl_verify: { type: 'boolean', default: true },
      auth_file: { type: 'string' },
      resource: {
        type: 'object',
        properties: { type: { type: 'string' }, labels: { type: 'object' } },
        default: { type: 'global' },
        required: ['type'],
      },
      log_id: { type: 'string', default: 'apisix.apache.org%2Flogs' },
      ...LOG_FORMAT_SCHEMA,
      ...batchSchema('google-cloud-logging'),
    },
    oneOf: [{ required: ['auth_config'] }, { required: ['auth_file'] }],
    encrypt_fields: ['auth_config.private_key'],
  },
  metadataSchema: {
    type: 'object',
    properties: { ...LOG_FORMAT_SCHEMA, ...BATCH_METADATA_SCHEMA },
  },
};
