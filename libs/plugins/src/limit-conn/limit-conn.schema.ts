import type { PluginDefinition } from '@polygate/plugin-sdk';
import { REDIS_CLUSTER_WITH_KEY_TTL, REDIS_WITH_KEY_TTL } from '../redis/redis-schema.ts';
import type { RedisConf } from '../redis/redis-schema.ts';

export interface LimitConnRuleConf {
  /** A number, or a text with variables that becomes one; `burst` too. */
  readonly conn: number | string;
  readonly burst: number | string;
  readonly key: string;
}

export interface LimitConnConf extends RedisConf {
  readonly conn?: number | string;
  readonly burst?: number | string;
  /** Seconds. */
  readonly default_conn_delay: number;
  readonly only_use_default_delay: boolean;
  readonly key?: string;
  readonly key_type: 'var' | 'var_combination';
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly allow_degradation: boolean;
  readonly rules?: readonly LimitConnRuleConf[];
  /** Seconds; with a redis policy. */
  readonly key_ttl?: number;
}

const CONN = { oneOf: [{ type: 'integer', exclusiveMinimum: 0 }, { type: 'string' }] };
const BURST = { oneOf: [{ type: 'integer', minimum: 0 }, { type: 'string' }] };

/** Source: apisix/plugins/limit-conn.lua. */
export const definition: PluginDefinition<LimitConnConf> = {
  name: 'limit-conn',
  version: 0.1,
  priority: 1003,
  schema: {
    type: 'object',
    properties: {
      conn: CONN,
      burst: BURST,
      default_conn_delay: { type: 'number', exclusiveMinimum: 0 },
      only_use_default_delay: { type: 'boolean', default: false },
      key: { type: 'string' },
      key_type: { type: 'string', enum: ['var', 'var_combination'], default: 'var' },
      policy: { type: 'string', enum: ['redis', 'redis-cluster', 'local'], default: 'local' },
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
      rejected_msg: { type: 'string', minLength: 1 },
      allow_degradation: { type: 'boolean', default: false },
      rules: {
        type: 'array',
        items: {
          type: 'object',
          properties: { conn: CONN, burst: BURST, key: { type: 'string' } },
          required: ['conn', 'burst', 'key'],
        },
      },
    },
    oneOf: [
      { required: ['conn', 'burst', 'default_conn_delay', 'key'] },
      { required: ['default_conn_delay', 'rules'] },
    ],
    if: { properties: { policy: { enum: ['redis'] } } },
    then: REDIS_WITH_KEY_TTL,
    else: {
      if: { properties: { policy: { enum: ['redis-cluster'] } } },
      then: REDIS_CLUSTER_WITH_KEY_TTL,
    },
    encrypt_fields: ['redis_password'],
  },
};
