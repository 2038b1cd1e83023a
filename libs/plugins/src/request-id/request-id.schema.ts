import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface RequestIdConf {
  readonly header_name: string;
  readonly include_in_response: boolean;
  readonly algorithm: 'uuid' | 'nanoid' | 'range_id' | 'ksuid' | 'uuidv7';
  readonly range_id: { readonly length: number; readonly char_set: string };
}

// spelled as in APISIX, with its `HIGK`
const CHAR_SET = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIGKLMNOPQRSTUVWXYZ0123456789';
/** Ours: APISIX has no limit, but no server takes a longer header. */
const RANGE_ID_LENGTH_MAX = 4096;

/** Source: apisix/plugins/request-id.lua. */
export const definition: PluginDefinition<RequestIdConf> = {
  name: 'request-id',
  version: 0.1,
  priority: 12015,
  schema: {
    type: 'object',
    properties: {
      header_name: { type: 'string', default: 'X-Request-Id' },
      include_in_response: { type: 'boolean', default: true },
      algorithm: {
        type: 'string',
        enum: ['uuid', 'nanoid', 'range_id', 'ksuid', 'uuidv7'],
        default: 'uuid',
      },
      range_id: {
        type: 'object',
        properties: {
          length: { type: 'integer', minimum: 6, default: 16 },
          char_set: { type: 'string', minLength: 6, default: CHAR_SET },
        },
        default: { length: 16, char_set: CHAR_SET },
      },
    },
  },
  check({ range_id: rangeId }) {
    if (rangeId.length > RANGE_ID_LENGTH_MAX) {
      throw new ConfigError(
        `property "range_id" validation failed: property "length" validation failed: ` +
          `expected ${rangeId.length} to be at most ${RANGE_ID_LENGTH_MAX}`,
      );
    }
    if (!/^[\x20-\x7e]+$/.test(rangeId.char_set)) {
      throw new ConfigError(
        'property "range_id" validation failed: property "char_set" validation failed: ' +
          'printable ASCII characters expected',
      );
    }
  },
};
