import type { JsonSchema } from '@polygate/plugin-sdk';

const milliseconds = (minimum: number, value: number) => ({
  type: 'integer',
  minimum,
  default: value,
});

const REDIS: JsonSchema = {
  type: 'object',
  properties: {
    host: { type: 'string', minLength: 2, default: '127.0.0.1' },
    port: { type: 'integer', minimum: 1, default: 6379 },
    username: { type: 'string', minLength: 1 },
    password: { type: 'string', minLength: 0 },
    database: { type: 'integer', minimum: 0, default: 0, description: 'redis database index' },
    prefix: {
      type: 'string',
      default: 'sessions',
      description: 'prefix for keys stored in redis',
    },
    ssl: { type: 'boolean', default: false, description: 'enable ssl' },
    ssl_verify: { type: 'boolean', default: true, description: 'verify ssl certificate' },
    server_name: { type: 'string', description: 'name for SNI' },
    connect_timeout: milliseconds(1, 1000),
    send_timeout: milliseconds(1, 1000),
    read_timeout: milliseconds(1, 1000),
    keepalive_timeout: milliseconds(1000, 10_000),
  },
};

/** `session` of openid-connect: the options of lua-resty-session 4. */
export const SESSION_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    secret: {
      type: 'string',
      description: 'the key used for the encrypt and HMAC calculation',
      minLength: 16,
    },
    cookie_name: { type: 'string', description: 'session cookie name' },
    cookie_path: { type: 'string', description: 'cookie path scope' },
    cookie_domain: { type: 'string', description: 'cookie domain scope' },
    cookie_secure: { type: 'boolean', description: 'if true, set the Secure cookie attribute' },
    cookie_http_only: {
      type: 'boolean',
      description: 'if true, set the HttpOnly cookie attribute',
    },
    cookie_same_site: {
      type: 'string',
      enum: ['Strict', 'Lax', 'None', 'Default'],
      description: 'SameSite cookie attribute',
    },
    idling_timeout: { type: 'integer', description: 'idling timeout in seconds' },
    rolling_timeout: { type: 'integer', description: 'rolling timeout in seconds' },
    absolute_timeout: { type: 'integer', description: 'absolute session lifetime in seconds' },
    cookie: {
      type: 'object',
      description: 'Deprecated: the schema of lua-resty-session 3.',
      properties: {
        lifetime: { type: 'integer', description: 'Deprecated: use absolute_timeout.' },
      },
    },
    storage: { type: 'string', enum: ['cookie', 'redis'], default: 'cookie' },
    redis: REDIS,
  },
  required: ['secret'],
  if: { properties: { storage: { enum: ['redis'] } } },
  then: { required: ['redis'] },
  additionalProperties: false,
};
