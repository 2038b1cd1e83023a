import { DESCRIPTION, ID_SCHEMA, PLUGINS_SCHEMA } from './schema-parts.ts';

export const CONSUMER_SCHEMA = {
  type: 'object',
  properties: {
    ...DESCRIPTION,
    username: {
      type: 'string',
      minLength: 1,
      maxLength: 256,
      pattern: '^[a-zA-Z0-9_\\-]+$',
    },
    group_id: ID_SCHEMA,
    plugins: PLUGINS_SCHEMA,
  },
  required: ['username'],
  additionalProperties: false,
} as const;
