// Fields that the redis policies add. Sources: apisix/utils/redis-schema.lua and
// apisix/plugins/limit-count/init.lua.

/** Each policy has some of the fields; those of it that have defaults are there. */
export interface RedisConf {
  readonly policy: 'local' | 'redis' | 'redis-cluster' | 'redis-sentinel';
  readonly redis_host?: string;
  readonly redis_port?: number;
  readonly redis_username?: string;
  readonly redis_password?: string;
  readonly redis_database?: number;
  /** Milliseconds, as every timeout here. */
  readonly redis_timeout?: number;
  readonly redis_ssl?: boolean;
  readonly redis_ssl_verify?: boolean;
  /** For SNI and the certificate's name, where that is not the host's. */
  readonly redis_server_name?: string;
  readonly redis_keepalive_timeout?: number;
  /** Without effect: a worker has one connection to a server. */
  readonly redis_keepalive_pool?: number;
  /** `host:port` each. */
  readonly redis_cluster_nodes?: readonly string[];
  readonly redis_cluster_name?: string;
  readonly redis_cluster_ssl?: boolean;
  readonly redis_cluster_ssl_verify?: boolean;
  readonly redis_sentinels?: readonly { readonly host: string; readonly port: number }[];
  readonly redis_master_name?: string;
  readonly redis_role?: 'master' | 'slave';
  readonly redis_connect_timeout?: number;
  readonly redis_read_timeout?: number;
  readonly sentinel_username?: string;
  readonly sentinel_password?: string;
}

const PASSWORD = { type: 'string', minLength: 0 };
const USERNAME = { type: 'string', minLength: 1 };
const TIMEOUT_MS = { type: 'integer', minimum: 1, default: 1000 };
const DATABASE = { type: 'integer', minimum: 0, default: 0 };
const OFF = { type: 'boolean', default: false };
const KEEPALIVE_POOL = { type: 'integer', minimum: 1, default: 100 };
const KEEPALIVE_TIMEOUT_MS = { type: 'integer', minimum: 1000, default: 10000 };

export const REDIS = {
  properties: {
    redis_host: { type: 'string', minLength: 2 },
    redis_port: { type: 'integer', minimum: 1, default: 6379 },
    redis_username: USERNAME,
    redis_password: PASSWORD,
    redis_database: DATABASE,
    redis_timeout: TIMEOUT_MS,
    redis_ssl: OFF,
    redis_ssl_verify: OFF,
    redis_keepalive_timeout: KEEPALIVE_TIMEOUT_MS,
    redis_keepalive_pool: KEEPALIVE_POOL,
  },
  required: ['redis_host'],
};

export const REDIS_CLUSTER = {
  properties: {
    redis_cluster_nodes: {
      type: 'array',
      minItems: 1,
      items: { type: 'string', minLength: 2, maxLength: 100 },
    },
    redis_password: PASSWORD,
    redis_timeout: TIMEOUT_MS,
    redis_cluster_name: { type: 'string' },
    redis_cluster_ssl: OFF,
    redis_cluster_ssl_verify: OFF,
    redis_keepalive_timeout: KEEPALIVE_TIMEOUT_MS,
    redis_keepalive_pool: KEEPALIVE_POOL,
  },
  required: ['redis_cluster_nodes', 'redis_cluster_name'],
};

/** limit-conn keeps an entry a request, which ends by itself when nobody takes it away. */
const KEY_TTL = { type: 'integer', default: 3600 };
export const REDIS_WITH_KEY_TTL = {
  ...REDIS,
  properties: { ...REDIS.properties, key_ttl: KEY_TTL },
};
export const REDIS_CLUSTER_WITH_KEY_TTL = {
  ...REDIS_CLUSTER,
  properties: { ...REDIS_CLUSTER.properties, key_ttl: KEY_TTL },
};

export const REDIS_SENTINEL = {
  properties: {
    redis_sentinels: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        properties: {
          host: { type: 'string', minLength: 2 },
          port: { type: 'integer', minimum: 1, maximum: 65535 },
        },
        required: ['host', 'port'],
        additionalProperties: false,
      },
    },
    redis_master_name: { type: 'string', minLength: 1 },
    redis_role: { type: 'string', enum: ['master', 'slave'], default: 'master' },
    redis_connect_timeout: TIMEOUT_MS,
    redis_read_timeout: TIMEOUT_MS,
    redis_keepalive_timeout: { type: 'integer', minimum: 1, default: 60000 },
    redis_database: DATABASE,
    redis_username: USERNAME,
    redis_password: PASSWORD,
    sentinel_username: USERNAME,
    sentinel_password: PASSWORD,
  },
  required: ['redis_sentinels', 'redis_master_name'],
};
