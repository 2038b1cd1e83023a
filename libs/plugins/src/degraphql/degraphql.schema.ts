import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { MAX_REQ_BODY_SIZE } from '../bounded-body.schema.ts';
import { GraphqlSyntaxError, parseGraphql } from '../graphql-document.ts';

export interface DegraphqlConf {
  /** Bytes. */
  readonly max_req_body_size: number;
  /** A GraphQL document. */
  readonly query: string;
  /** Names of arguments or members of the body. */
  readonly variables?: readonly string[];
  readonly operation_name?: string;
}

/** Source: apisix/plugins/degraphql.lua. */
export const definition: PluginDefinition<DegraphqlConf> = {
  name: 'degraphql',
  version: 0.1,
  priority: 509,
  schema: {
    type: 'object',
    properties: {
      max_req_body_size: MAX_REQ_BODY_SIZE,
      query: { type: 'string', minLength: 1, maxLength: 1024 },
      variables: { type: 'array', items: { type: 'string' }, minItems: 1 },
      operation_name: { type: 'string', minLength: 1, maxLength: 1024 },
    },
    required: ['query'],
  },
  check({ query, operation_name: operationName }) {
    if (definitionsIn(query) <= 1 || operationName !== undefined) return;
    throw new ConfigError(
      'operation_name is required if multiple operations are present in the query',
    );
  },
};

function definitionsIn(query: string): number {
  try {
    return parseGraphql(query).length;
  } catch (cause) {
    if (!(cause instanceof GraphqlSyntaxError)) throw cause;
    throw new ConfigError(`failed to parse query: ${cause.message}`, { cause });
  }
}
