import { ConfigError, ID_SCHEMA, UPSTREAM_SCHEMA, validateExpression } from '@polygate/model';
import type { UpstreamResource } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface WeightedUpstream {
  readonly upstream_id?: string | number;
  readonly upstream?: UpstreamResource;
  /** Of all requests that the rule meets this one's part. */
  readonly weight: number;
}

export interface SplitRule {
  /** One of them has to hold; without it every request is met. */
  readonly match?: readonly { readonly vars: readonly unknown[] }[];
  readonly weighted_upstreams: readonly WeightedUpstream[];
}

export interface TrafficSplitConf {
  readonly rules?: readonly SplitRule[];
}

/** Source: apisix/plugins/traffic-split.lua. */
export const definition: PluginDefinition<TrafficSplitConf> = {
  name: 'traffic-split',
  version: 0.1,
  priority: 966,
  schema: {
    type: 'object',
    properties: {
      rules: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            match: {
              type: 'array',
              items: { type: 'object', properties: { vars: { type: 'array' } } },
            },
            weighted_upstreams: {
              type: 'array',
              items: {
                type: 'object',
                properties: {
                  upstream_id: ID_SCHEMA,
                  upstream: UPSTREAM_SCHEMA,
                  weight: {
                    description:
                      'used to split traffic between different upstreams for plugin configuration',
                    type: 'integer',
                    default: 1,
                    minimum: 0,
                  },
                },
              },
              default: [{ weight: 1 }],
              minItems: 1,
              maxItems: 20,
            },
          },
        },
      },
    },
  },
  check({ rules = [] }) {
    for (const { vars } of rules.flatMap(({ match = [] }) => match)) checkVars(vars);
  },
};

function checkVars(vars: readonly unknown[]): void {
  try {
    validateExpression(vars);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`failed to validate the 'vars' expression: ${reason}`, { cause });
  }
}
