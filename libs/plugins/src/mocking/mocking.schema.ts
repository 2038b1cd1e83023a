import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { mediaTypeOf } from './media-type.ts';

/** The part of a JSON Schema that examples are made from. */
export interface ExampleSchema {
  readonly type?: unknown;
  readonly example?: unknown;
  readonly items?: ExampleSchema;
  readonly properties?: Readonly<Record<string, ExampleSchema>>;
}

export interface MockingConf {
  /** Seconds. */
  readonly delay: number;
  readonly response_status: number;
  readonly content_type: string;
  readonly response_example?: string;
  readonly response_schema?: ExampleSchema;
  readonly with_mock_header: boolean;
  readonly response_headers?: Readonly<Record<string, string | number>>;
}

const MEDIA_TYPES: ReadonlySet<string> = new Set([
  'application/xml',
  'application/json',
  'text/plain',
  'text/html',
  'text/xml',
]);

/** Source: apisix/plugins/mocking.lua. */
export const definition: PluginDefinition<MockingConf> = {
  name: 'mocking',
  version: 0.1,
  priority: 10_900,
  schema: {
    type: 'object',
    properties: {
      delay: { type: 'integer', default: 0 },
      response_status: { type: 'integer', default: 200, minimum: 100 },
      content_type: { type: 'string', default: 'application/json;charset=utf8' },
      response_example: { type: 'string' },
      response_schema: { type: 'object' },
      with_mock_header: { type: 'boolean', default: true },
      response_headers: {
        type: 'object',
        minProperties: 1,
        patternProperties: { '^[^:]+$': { oneOf: [{ type: 'string' }, { type: 'number' }] } },
      },
    },
    anyOf: [{ required: ['response_example'] }, { required: ['response_schema'] }],
  },
  check(conf) {
    if (!MEDIA_TYPES.has(mediaTypeOf(conf.content_type))) {
      throw new ConfigError('unsupported content type!');
    }
  },
};
