import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface AttachConsumerLabelConf {
  /** Names of labels, each with a `$` before it, by the header that carries the label. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Source: apisix/plugins/attach-consumer-label.lua. */
export const definition: PluginDefinition<AttachConsumerLabelConf> = {
  name: 'attach-consumer-label',
  version: 0.1,
  priority: 2399,
  schema: {
    type: 'object',
    properties: {
      headers: {
        type: 'object',
        additionalProperties: { type: 'string', pattern: '^\\$.*' },
        minProperties: 1,
      },
    },
    required: ['headers'],
  },
};
