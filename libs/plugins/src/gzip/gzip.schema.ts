import type { PluginDefinition } from '@polygate/plugin-sdk';
import { COMPRESSION_PROPERTIES, COMPRESSION_TYPES } from '../compressible.ts';
import type { CompressionConf } from '../compressible.ts';

export interface GzipConf extends CompressionConf {
  readonly comp_level: number;
  /** nginx's memory. Without effect here: each chunk is compressed as it comes. */
  readonly buffers: { readonly number: number; readonly size: number };
}

const { min_length, http_version, vary } = COMPRESSION_PROPERTIES;

/** Source: apisix/plugins/gzip.lua. */
export const definition: PluginDefinition<GzipConf> = {
  name: 'gzip',
  version: 0.1,
  priority: 995,
  schema: {
    type: 'object',
    properties: {
      types: COMPRESSION_TYPES,
      min_length,
      comp_level: { type: 'integer', minimum: 1, maximum: 9, default: 1 },
      http_version,
      buffers: {
        type: 'object',
        properties: {
          number: { type: 'integer', minimum: 1, default: 32 },
          size: { type: 'integer', minimum: 1, default: 4096 },
        },
        default: { number: 32, size: 4096 },
      },
      vary,
    },
  },
};
