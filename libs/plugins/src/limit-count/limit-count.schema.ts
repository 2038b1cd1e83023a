import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { checkGroupConf } from './group-confs.ts';
import { REDIS, REDIS_CLUSTER, REDIS_SENTINEL } from '../redis/redis-schema.ts';
import type { RedisConf } from '../redis/redis-schema.ts';

export interface LimitRuleConf {
  /** A number, or a text with variables that becomes one. */
  readonly count: number | string;
  /** Seconds. */
  readonly time_window: number | string;
  readonly key: string;
  readonly header_prefix?: string;
}

export interface LimitCountConf extends RedisConf {
  readonly count?: number | string;
  /** Seconds. */
  readonly time_window?: number | string;
  readonly window_type: 'fixed' | 'sliding';
  readonly rules?: readonly LimitRuleConf[];
  readonly group?: string;
  readonly key: string;
  readonly key_type: 'var' | 'var_combination' | 'constant';
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly allow_degradation: boolean;
  readonly show_limit_quota_header: boolean;
  /** Seconds; -1 for none. */
  readonly sync_interval: number;
}

const NO_SYNC_INTERVAL = -1;
const NUMBER_OR_TEXT = {
  oneOf: [{ type: 'integer', exclusiveMinimum: 0 }, { type: 'string' }],
};

const PROPERTIES = {
  count: NUMBER_OR_TEXT,
  time_window: NUMBER_OR_TEXT,
  window_type: { type: 'string', enum: ['fixed', 'sliding'], default: 'fixed' },
  rules: {
    type: 'array',
    items: {
      type: 'object',
      properties: {
        count: NUMBER_OR_TEXT,
        time_window: NUMBER_OR_TEXT,
        key: { type: 'string' },
        header_prefix: { type: 'string', description: 'prefix for rate limit headers' },
      },
      required: ['count', 'time_window', 'key'],
    },
  },
  group: { type: 'string' },
  key: { type: 'string', default: 'remote_addr' },
  key_type: { type: 'string', enum: ['var', 'var_combination', 'constant'], default: 'var' },
  rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
  rejected_msg: { type: 'string', minLength: 1 },
  policy: {
    type: 'string',
    enum: ['local', 'redis', 'redis-cluster', 'redis-sentinel'],
    default: 'local',
  },
  allow_degradation: { type: 'boolean', default: false },
  show_limit_quota_header: { type: 'boolean', default: true },
  sync_interval: { type: 'number', default: NO_SYNC_INTERVAL },
};

/** What the confs of a group have to have alike. */
const GROUP_FIELDS: Readonly<Record<LimitCountConf['policy'], readonly string[]>> = {
  local: Object.keys(PROPERTIES),
  redis: [PROPERTIES, REDIS.properties].flatMap(Object.keys),
  'redis-cluster': [PROPERTIES, REDIS_CLUSTER.properties].flatMap(Object.keys),
  'redis-sentinel': [PROPERTIES, REDIS_SENTINEL.properties].flatMap(Object.keys),
};

/** Source: apisix/plugins/limit-count.lua and limit-count/init.lua. */
export const definition: PluginDefinition<LimitCountConf> = {
  name: 'limit-count',
  version: 0.5,
  priority: 1002,
  schema: {
    type: 'object',
    properties: PROPERTIES,
    oneOf: [{ required: ['count', 'time_window'] }, { required: ['rules'] }],
    if: { properties: { policy: { enum: ['redis'] } } },
    then: REDIS,
    else: {
      if: { properties: { policy: { enum: ['redis-cluster'] } } },
      then: REDIS_CLUSTER,
      else: {
        if: { properties: { policy: { enum: ['redis-sentinel'] } } },
        then: REDIS_SENTINEL,
      },
    },
    encrypt_fields: ['redis_password', 'sentinel_password'],
  },
  metadataSchema: {
    type: 'object',
    properties: {
      limit_header: { type: 'string', default: 'X-RateLimit-Limit' },
      remaining_header: { type: 'string', default: 'X-RateLimit-Remaining' },
      reset_header: { type: 'string', default: 'X-RateLimit-Reset' },
    },
  },
  restate({ count, time_window: timeWindow, rules }, schemaError) {
    const isBoth = rules !== undefined && (count !== undefined || timeWindow !== undefined);
    return isBoth && schemaError.includes('value should match only one schema')
      ? 'count/time_window and rules cannot be specified at the same time'
      : schemaError;
  },
  check(conf) {
    checkRules(conf);
    checkSyncInterval(conf);
    // last, so that a conf that is refused for another reason does not stand for its group
    if (conf.group !== undefined) checkGroupConf(conf.group, conf, GROUP_FIELDS[conf.policy]);
  },
};

function checkRules({ rules, count, time_window: timeWindow, group }: LimitCountConf): void {
  if (rules === undefined) return;
  if (count !== undefined || timeWindow !== undefined) {
    throw new ConfigError('count/time_window and rules cannot be specified at the same time');
  }
  if (group !== undefined) {
    throw new ConfigError('group and rules cannot be specified at the same time');
  }
  const keys = new Set<string>();
  for (const { key } of rules) {
    if (keys.has(key)) throw new ConfigError(`duplicate key '${key}' in rules`);
    keys.add(key);
  }
}

function checkSyncInterval(conf: LimitCountConf): void {
  const { policy, sync_interval: syncInterval, time_window: timeWindow } = conf;
  if (policy === 'local' || syncInterval === NO_SYNC_INTERVAL) return;
  if (syncInterval < 0.1) {
    throw new ConfigError('sync_interval should not be smaller than 0.1');
  }
  if (typeof timeWindow === 'number' && syncInterval >= timeWindow) {
    throw new ConfigError('sync_interval should be smaller than time_window');
  }
}
