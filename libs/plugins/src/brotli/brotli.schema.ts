import type { PluginDefinition } from '@polygate/plugin-sdk';
import { COMPRESSION_PROPERTIES, COMPRESSION_TYPES } from '../compressible.ts';
import type { CompressionConf } from '../compressible.ts';

export interface BrotliConf extends CompressionConf {
  /** 0: generic, 1: text, 2: fonts. */
  readonly mode: number;
  readonly comp_level: number;
  readonly lgwin: number;
  readonly lgblock: number;
}

const { min_length, http_version, vary } = COMPRESSION_PROPERTIES;

/** Source: apisix/plugins/brotli.lua. */
export const definition: PluginDefinition<BrotliConf> = {
  name: 'brotli',
  version: 0.1,
  priority: 996,
  enabledByDefault: false,
  schema: {
    type: 'object',
    properties: {
      types: COMPRESSION_TYPES,
      min_length,
      mode: { type: 'integer', minimum: 0, maximum: 2, default: 0 },
      comp_level: { type: 'integer', minimum: 0, maximum: 11, default: 6 },
      lgwin: {
        type: 'integer',
        default: 19,
        enum: [0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24],
      },
      lgblock: {
        type: 'integer',
        default: 0,
        enum: [0, 16, 17, 18, 19, 20, 21, 22, 23, 24],
      },
      http_version,
      vary,
    },
  },
};
