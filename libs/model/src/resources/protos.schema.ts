import { DESCRIPTION, NAME_SCHEMA } from './schema-parts.ts';

export const PROTO_SCHEMA = {
  type: 'object',
  properties: {
    name: NAME_SCHEMA,
    ...DESCRIPTION,
    content: { type: 'string', minLength: 1, maxLength: 1_048_576 },
  },
  required: ['content'],
  additionalProperties: false,
} as const;
