import { DESCRIPTION, ID_SCHEMA, NAME_SCHEMA } from './schema-parts.ts';

const ARGUMENTS_SCHEMA = { type: 'array', items: { type: 'string', minLength: 1 } } as const;

/** What a position in the GraphQL schema of a service's upstream costs: graphql-limit-count. */
export const GRAPHQL_COST_DECORATION_SCHEMA = {
  type: 'object',
  properties: {
    name: NAME_SCHEMA,
    ...DESCRIPTION,
    service_id: ID_SCHEMA,
    field_path: {
      description: 'a GraphQL type, <type>.<field>, or a longer chain of selections',
      type: 'string',
      pattern: '^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$',
    },
    add_value: { description: 'own cost', type: 'number', minimum: 0, default: 1 },
    add_arguments: {
      description: 'query arguments whose values are added to add_value',
      ...ARGUMENTS_SCHEMA,
    },
    mul_value: {
      description: 'multiplies the cost of what is selected below',
      type: 'number',
      minimum: 0,
      default: 1,
    },
    mul_arguments: {
      description: 'query arguments whose values are multiplied into mul_value',
      ...ARGUMENTS_SCHEMA,
    },
  },
  required: ['field_path'],
  additionalProperties: false,
} as const;
