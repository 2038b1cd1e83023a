import type { PluginDefinition } from '@polygate/plugin-sdk';
import { REDIS, REDIS_CLUSTER } from '../redis/redis-schema.ts';
import type { RedisConf } from '../redis/redis-schema.ts';

export interface LimitReqConf extends RedisConf {
  /** Requests a second. */
  readonly rate: number;
  /** Requests that wait. */
  readonly burst: number;
  readonly key: string;
  readonly key_type: 'var' | 'var_combination';
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  /** Requests within `burst` go on at once. */
  readonly nodelay: boolean;
  readonly allow_degradation: boolean;
}

/** Source: apisix/plugins/limit-req.lua. */
export const definition: PluginDefinition<LimitReqConf> = {
  name: 'limit-req',
  version: 0.1,
  priority: 1001,
  schema: {
    type: 'object',
    properties: {
      rate: { type: 'number', exclusiveMinimum: 0 },
      burst: { type: 'number', minimum: 0 },
      key: { type: 'string' },
      key_type: { type: 'string', enum: ['var', 'var_combination'], default: 'var' },
      policy: { type: 'string', enum: ['redis', 'redis-cluster', 'local'], default: 'local' },
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
      rejected_msg: { type: 'string', minLength: 1 },
      nodelay: { type: 'boolean', default: false },
      allow_degradation: { type: 'boolean', default: false },
    },
    required: ['rate', 'burst', 'key'],
    if: { properties: { policy: { enum: ['redis'] } } },
    then: REDIS,
    else: {
      if: { properties: { policy: { enum: ['redis-cluster'] } } },
      then: REDIS_CLUSTER,
    },
    encrypt_fields: ['redis_password'],
  },
};
