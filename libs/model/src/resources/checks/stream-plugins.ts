import type { PluginSchemas } from './check-plugins.ts';

/**
 * Plugins that only stream routes have. Their confs are checked and stored, for APISIX to run.
 * Sources: apisix/stream/plugins.
 */
export const STREAM_PLUGIN_SCHEMAS: ReadonlyMap<string, PluginSchemas> = new Map([
  [
    'mqtt-proxy',
    {
      name: 'mqtt-proxy',
      schema: {
        type: 'object',
        properties: {
          protocol_name: { type: 'string', default: 'MQTT' },
          protocol_level: { type: 'integer' },
        },
        required: ['protocol_level'],
      },
    },
  ],
]);
