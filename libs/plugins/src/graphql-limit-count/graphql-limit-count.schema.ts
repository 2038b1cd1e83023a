import type { PluginDefinition } from '@polygate/plugin-sdk';
import { definition as limitCount } from '../limit-count/limit-count.schema.ts';
import type { LimitCountConf } from '../limit-count/limit-count.schema.ts';

export interface GraphqlLimitCountConf extends LimitCountConf {
  readonly cost_strategy: 'depth' | 'complexity' | 'node_quantifier';
  /** 0: any. */
  readonly max_cost: number;
  /** What costs are multiplied by. */
  readonly score_factor: number;
  /** Whether variables and defaults count as the values they stand for. */
  readonly resolve_variables: boolean;
  readonly introspection_endpoint?: string;
  readonly introspection_headers?: Readonly<Record<string, string>>;
}

const { properties, encrypt_fields: encryptFields, ...rest } = limitCount.schema;

/** Source: apisix/plugins/graphql-limit-count.lua. */
export const definition: PluginDefinition<GraphqlLimitCountConf> = {
  name: 'graphql-limit-count',
  version: 0.1,
  priority: 1004,
  schema: {
    ...rest,
    properties: {
      ...(properties as object),
      cost_strategy: {
        type: 'string',
        enum: ['depth', 'complexity', 'node_quantifier'],
        default: 'depth',
      },
      max_cost: {
        type: 'number',
        minimum: 0,
        default: 0,
        description: 'reject with 403 above this cost, 0 disables the check',
      },
      score_factor: {
        type: 'number',
        exclusiveMinimum: 0,
        default: 1,
        description: 'scaling applied to the raw cost before the quota is charged',
      },
      resolve_variables: {
        type: 'boolean',
        default: true,
        description:
          'resolve GraphQL variables and schema argument defaults when ' +
          'computing the cost, instead of treating them as absent',
      },
      introspection_endpoint: {
        type: 'string',
        pattern: '^https?://',
        description: 'explicit schema introspection endpoint, derived from the upstream when unset',
      },
      introspection_headers: {
        type: 'object',
        patternProperties: { '^[^:]+$': { type: 'string' } },
        description:
          'headers sent on the schema introspection request, for an ' +
          'upstream whose introspection needs credentials',
      },
    },
    encrypt_fields: [...(encryptFields as readonly string[]), 'introspection_headers'],
  },
  ...(limitCount.metadataSchema !== undefined && { metadataSchema: limitCount.metadataSchema }),
  restate: (conf, schemaError) => limitCount.restate?.(conf, schemaError) ?? schemaError,
  check: (conf, plugins, settings) => limitCount.check?.(conf, plugins, settings),
};
