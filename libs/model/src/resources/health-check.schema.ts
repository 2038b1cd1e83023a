import { HOST_SCHEMA, METHOD_SCHEMA } from './schema-parts.ts';

const TYPE_SCHEMA = {
  type: 'string',
  enum: ['http', 'https', 'tcp'],
  default: 'http',
} as const;

function statuses(defaults: readonly number[]): object {
  return {
    type: 'array',
    minItems: 1,
    items: { type: 'integer', minimum: 200, maximum: 599 },
    uniqueItems: true,
    default: defaults,
  };
}

function count(minimum: 0 | 1, value: number): object {
  return { type: 'integer', minimum, maximum: 254, default: value };
}

const INTERVAL_SCHEMA = { type: 'integer', minimum: 1, default: 1 } as const;

const ACTIVE_SCHEMA = {
  type: 'object',
  properties: {
    type: TYPE_SCHEMA,
    timeout: { type: 'number', default: 1 },
    concurrency: { type: 'integer', default: 10 },
    host: HOST_SCHEMA,
    port: { type: 'integer', minimum: 1, maximum: 65_535 },
    http_method: { type: 'string', enum: METHOD_SCHEMA.enum, default: 'GET' },
    http_path: { type: 'string', default: '/' },
    http_req_body: { type: 'string', default: '' },
    https_verify_certificate: { type: 'boolean', default: true },
    healthy: {
      type: 'object',
      properties: {
        interval: INTERVAL_SCHEMA,
        http_statuses: statuses([200, 302]),
        successes: count(1, 2),
      },
    },
    unhealthy: {
      type: 'object',
      properties: {
        interval: INTERVAL_SCHEMA,
        http_statuses: statuses([429, 404, 500, 501, 502, 503, 504, 505]),
        http_failures: count(1, 5),
        tcp_failures: count(1, 2),
        timeouts: count(1, 3),
      },
    },
    req_headers: {
      type: 'array',
      minItems: 1,
      items: { type: 'string', uniqueItems: true },
    },
  },
} as const;

const PASSIVE_SCHEMA = {
  type: 'object',
  properties: {
    type: TYPE_SCHEMA,
    healthy: {
      type: 'object',
      properties: {
        http_statuses: statuses([
          200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307,
          308,
        ]),
        successes: count(0, 5),
      },
    },
    unhealthy: {
      type: 'object',
      properties: {
        http_statuses: statuses([429, 500, 503]),
        tcp_failures: count(0, 2),
        timeouts: count(0, 7),
        http_failures: count(0, 5),
      },
    },
  },
} as const;

/** An upstream's `checks`. */
export const HEALTH_CHECK_SCHEMA = {
  type: 'object',
  properties: { active: ACTIVE_SCHEMA, passive: PASSIVE_SCHEMA },
  anyOf: [{ required: ['active'] }, { required: ['active', 'passive'] }],
} as const;
