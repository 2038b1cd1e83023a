import type { JsonSchema } from '@polygate/plugin-sdk';

/** In what ways a runner can fail, as `failure_policy.allow` names them. */
export const FAILURE_KINDS = [
  'unavailable',
  'overloaded',
  'circuit_open',
  'timeout',
  'failed',
] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

export interface FailurePolicyConf {
  readonly timeout_ms?: number;
  readonly retries?: number;
  readonly status?: number;
  readonly in_flight_max?: number;
  readonly breaker?: {
    readonly failures: number;
    readonly window_ms: number;
    readonly open_ms: number;
  };
  readonly allow?: readonly FailureKind[];
  readonly request_body_bytes_max?: number;
  readonly response_body_bytes_max?: number;
}

/** What a frame of the runner protocol, 16 MiB - 1, holds beside its own bytes. */
export const EXTRA_INFO_BYTES_MAX = 0xff_ffff - 64;

const HOUR_MS = 3_600_000;
const bytesMax = { type: 'integer', minimum: 1, maximum: EXTRA_INFO_BYTES_MAX };

const FAILURE_POLICY_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    timeout_ms: { type: 'integer', minimum: 1, maximum: HOUR_MS },
    retries: { type: 'integer', minimum: 0, maximum: 10 },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    in_flight_max: { type: 'integer', minimum: 1, maximum: 100_000 },
    breaker: {
      type: 'object',
      properties: {
        failures: { type: 'integer', minimum: 1, maximum: 100_000, default: 5 },
        window_ms: { type: 'integer', minimum: 1, maximum: HOUR_MS, default: 10_000 },
        open_ms: { type: 'integer', minimum: 1, maximum: HOUR_MS, default: 5_000 },
      },
      additionalProperties: false,
    },
    allow: {
      type: 'array',
      items: { type: 'string', enum: FAILURE_KINDS },
      uniqueItems: true,
    },
    request_body_bytes_max: bytesMax,
    response_body_bytes_max: bytesMax,
  },
  additionalProperties: false,
};

/**
 * Source: apisix/plugins/ext-plugin/init.lua. No field is required: `{}` is valid. `runner` and
 * `failure_policy` are Polygate's.
 */
export const EXTERNAL_CALL_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    conf: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string', maxLength: 128, minLength: 1 },
          value: { type: 'string' },
          runner: { type: 'string', pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' },
        },
        required: ['name', 'value'],
      },
      minItems: 1,
    },
    allow_degradation: { type: 'boolean', default: false },
    failure_policy: FAILURE_POLICY_SCHEMA,
  },
};
