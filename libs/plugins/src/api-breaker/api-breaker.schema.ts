import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface ApiBreakerConf {
  readonly break_response_code: number;
  readonly break_response_body?: string;
  readonly break_response_headers?: readonly { readonly key: string; readonly value: string }[];
  readonly max_breaker_sec: number;
  readonly unhealthy: { readonly http_statuses: readonly number[]; readonly failures: number };
  readonly healthy: { readonly http_statuses: readonly number[]; readonly successes: number };
}

const COUNT = { type: 'integer', minimum: 1, default: 3 };

/** Source: apisix/plugins/api-breaker.lua. */
export const definition: PluginDefinition<ApiBreakerConf> = {
  name: 'api-breaker',
  version: 0.1,
  priority: 1005,
  schema: {
    type: 'object',
    properties: {
      break_response_code: { type: 'integer', minimum: 200, maximum: 599 },
      break_response_body: { type: 'string' },
      break_response_headers: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            key: { type: 'string', minLength: 1 },
            value: { type: 'string', minLength: 1 },
          },
          required: ['key', 'value'],
        },
      },
      max_breaker_sec: { type: 'integer', minimum: 3, default: 300 },
      unhealthy: {
        type: 'object',
        properties: { http_statuses: statuses(500, 599, 500), failures: COUNT },
        default: { http_statuses: [500], failures: 3 },
      },
      healthy: {
        type: 'object',
        properties: { http_statuses: statuses(200, 499, 200), successes: COUNT },
        default: { http_statuses: [200], successes: 3 },
      },
    },
    required: ['break_response_code'],
  },
};

function statuses(minimum: number, maximum: number, only: number) {
  return {
    type: 'array',
    minItems: 1,
    items: { type: 'integer', minimum, maximum },
    uniqueItems: true,
    default: [only],
  };
}
