import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface SamplerConf {
  readonly name: 'always_on' | 'always_off' | 'trace_id_ratio' | 'parent_base';
  readonly options: {
    readonly fraction: number;
    readonly root: {
      readonly name: 'always_on' | 'always_off' | 'trace_id_ratio';
      readonly options: { readonly fraction: number };
    };
  };
}

export interface OpentelemetryConf {
  readonly sampler: SamplerConf;
  /** Names of variables. */
  readonly additional_attributes?: readonly string[];
  /** Names of request headers, or beginnings of names that end with `*`. */
  readonly additional_header_prefix_attributes?: readonly string[];
}

type Scalar = string | number | boolean;

export interface OpentelemetryMetadata {
  readonly trace_id_source: 'x-request-id' | 'random';
  readonly resource?: Readonly<Record<string, Scalar>>;
  readonly collector: {
    /** `host:port`, or a URL without path. */
    readonly address: string;
    /** Seconds. */
    readonly request_timeout: number;
    readonly request_headers?: Readonly<Record<string, Scalar>>;
  };
  readonly batch_span_processor: {
    readonly drop_on_queue_full?: boolean;
    readonly max_queue_size?: number;
    /** Seconds. */
    readonly batch_timeout?: number;
    /** Seconds. */
    readonly inactive_timeout?: number;
    readonly max_export_batch_size?: number;
  };
  readonly set_ngx_var: boolean;
}

const SCALARS = {
  type: 'object',
  additionalProperties: {
    oneOf: [{ type: 'boolean' }, { type: 'number' }, { type: 'string' }],
  },
};
const FRACTION = { type: 'number', description: 'of traces, for trace_id_ratio', default: 0 };
const ROOT_NAMES = ['always_on', 'always_off', 'trace_id_ratio'];
const NAMES = { type: 'array', items: { type: 'string', minLength: 1 } };

const METADATA_SCHEMA = {
  type: 'object',
  properties: {
    trace_id_source: {
      type: 'string',
      enum: ['x-request-id', 'random'],
      description: 'where trace ids come from',
      default: 'random',
    },
    resource: { ...SCALARS, description: 'further attributes of the resource' },
    collector: {
      type: 'object',
      description: 'where spans go',
      properties: {
        address: { type: 'string', description: 'host:port', default: '127.0.0.1:4318' },
        request_timeout: { type: 'integer', description: 'seconds', default: 3 },
        request_headers: SCALARS,
      },
      default: { address: '127.0.0.1:4318', request_timeout: 3 },
    },
    batch_span_processor: {
      type: 'object',
      description: 'how spans are gathered',
      properties: {
        drop_on_queue_full: {
          type: 'boolean',
          description: 'of no effect: spans are dropped when max_queue_size of them wait',
        },
        max_queue_size: { type: 'integer', description: 'spans that may wait' },
        batch_timeout: { type: 'number', description: 'seconds until a batch is sent' },
        inactive_timeout: {
          type: 'number',
          description: 'seconds without a span until a batch is sent',
        },
        max_export_batch_size: { type: 'integer', description: 'spans in one batch' },
      },
      default: {},
    },
    set_ngx_var: { type: 'boolean', description: 'sets the variables', default: false },
  },
};

/** Source: apisix/plugins/opentelemetry.lua. */
export const definition: PluginDefinition<OpentelemetryConf> = {
  name: 'opentelemetry',
  version: 0.1,
  priority: 12_009,
  enabledByDefault: false,
  schema: {
    type: 'object',
    properties: {
      sampler: {
        type: 'object',
        properties: {
          name: {
            type: 'string',
            enum: ['always_on', 'always_off', 'trace_id_ratio', 'parent_base'],
            description: 'which requests are sampled',
            default: 'always_off',
          },
          options: {
            type: 'object',
            properties: {
              fraction: FRACTION,
              root: {
                type: 'object',
                description: 'for requests without a parent, with parent_base',
                properties: {
                  name: { type: 'string', enum: ROOT_NAMES, default: 'always_off' },
                  options: {
                    type: 'object',
                    properties: { fraction: FRACTION },
                    default: { fraction: 0 },
                  },
                },
                default: { name: 'always_off', options: { fraction: 0 } },
              },
            },
            default: { fraction: 0, root: { name: 'always_off' } },
          },
        },
        default: {
          name: 'always_off',
          options: { fraction: 0, root: { name: 'always_off' } },
        },
      },
      additional_attributes: NAMES,
      additional_header_prefix_attributes: NAMES,
    },
  },
  metadataSchema: METADATA_SCHEMA,
};
