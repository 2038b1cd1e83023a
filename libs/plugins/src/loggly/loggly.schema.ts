import type { PluginDefinition } from '@polygate/plugin-sdk';
import { BATCH_METADATA_SCHEMA, batchSchema } from '../log-sinks/batch.schema.ts';
import type { BatchedLoggerConf } from '../log-sinks/batched-logger.ts';
import {
  checkBodyExpressions,
  LOG_FORMAT_SCHEMA,
  LOGGED_BODIES_SCHEMA,
} from '../log-entries/log-entry.schema.ts';

/** Syslog's; the first is spelled as in APISIX. */
export const SEVERITIES = {
  EMEGR: 0,
  ALERT: 1,
  CRIT: 2,
  ERR: 3,
  WARNING: 4,
  NOTICE: 5,
  INFO: 6,
  DEBUG: 7,
} as const;
const SEVERITY_NAMES = Object.keys(SEVERITIES).flatMap((name) => [name, name.toLowerCase()]);

export interface LogglyConf extends BatchedLoggerConf {
  readonly customer_token: string;
  readonly severity: string;
  /** HTTP status → severity. */
  readonly severity_map?: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly ssl_verify: boolean;
}

export interface LogglyMetadata {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'syslog' | 'http' | 'https';
  /** Milliseconds. */
  readonly timeout: number;
}

export const LOGGLY_DEFAULTS: LogglyMetadata = {
  host: 'logs-01.loggly.com',
  port: 514,
  protocol: 'syslog',
  timeout: 5000,
};

/** Source: apisix/plugins/loggly.lua. */
export const definition: PluginDefinition<LogglyConf> = {
  name: 'loggly',
  version: 0.1,
  priority: 411,
  schema: {
    type: 'object',
    properties: {
      customer_token: { type: 'string' },
      severity: {
        type: 'string',
        default: 'INFO',
        enum: SEVERITY_NAMES,
        description: 'base severity log level',
      },
      tags: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', pattern: '^(?!tag=)[ -~]*' },
        default: ['apisix'],
      },
      ssl_verify: { type: 'boolean', default: true },
      severity_map: {
        type: 'object',
        description: 'upstream response code vs syslog severity mapping',
        patternProperties: {
          '^[1-5][0-9]{2}$': {
            description: 'keys are HTTP status code, values are severity',
            type: 'string',
            enum: SEVERITY_NAMES,
          },
        },
        additionalProperties: false,
      },
      ...LOG_FORMAT_SCHEMA,
      ...LOGGED_BODIES_SCHEMA,
      ...batchSchema('loggly'),
    },
    encrypt_fields: ['customer_token'],
    required: ['customer_token'],
  },
  metadataSchema: {
    type: 'object',
    properties: {
      host: { type: 'string', default: LOGGLY_DEFAULTS.host },
      port: { type: 'integer', default: LOGGLY_DEFAULTS.port },
      protocol: {
        type: 'string',
        default: LOGGLY_DEFAULTS.protocol,
        enum: ['syslog', 'http', 'https'],
      },
      timeout: { type: 'integer', minimum: 1, default: LOGGLY_DEFAULTS.timeout },
      ...LOG_FORMAT_SCHEMA,
      ...BATCH_METADATA_SCHEMA,
    },
  },
  check: checkBodyExpressions,
};
