import type { PluginDefinition } from '@polygate/plugin-sdk';
import { METRIC_LABELS, STRUCTURAL_LABELS } from './metric-labels.ts';

export interface PrometheusConf {
  readonly prefer_name: boolean;
}

const disabledLabels = Object.entries(METRIC_LABELS).map(([metric, labels]) => {
  const structural = STRUCTURAL_LABELS[metric];
  const choices = labels.filter((label) => label !== structural);
  return [metric, { type: 'array', items: { type: 'string', enum: choices } }];
});

/** Source: apisix/plugins/prometheus.lua. */
export const definition: PluginDefinition<PrometheusConf> = {
  name: 'prometheus',
  version: 0.2,
  priority: 500,
  runPolicy: 'prefer_route',
  schema: {
    type: 'object',
    properties: { prefer_name: { type: 'boolean', default: false } },
  },
  metadataSchema: {
    type: 'object',
    properties: {
      disabled_labels: {
        type: 'object',
        properties: Object.fromEntries(disabledLabels) as Record<string, unknown>,
        additionalProperties: false,
      },
    },
  },
};
