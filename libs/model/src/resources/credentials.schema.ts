import { DESCRIPTION, ID_SCHEMA, NAME_SCHEMA } from './schema-parts.ts';

export const CREDENTIAL_SCHEMA = {
  type: 'object',
  properties: {
    name: NAME_SCHEMA,
    ...DESCRIPTION,
    id: {
      oneOf: [
        ID_SCHEMA,
        // in a standalone file the id says whose credential it is
        {
          type: 'string',
          minLength: 15,
          maxLength: 128,
          pattern: '^[a-zA-Z0-9-_]+/credentials/[a-zA-Z0-9-_.]+$',
        },
      ],
    },
    plugins: { type: 'object', maxProperties: 1 },
  },
  additionalProperties: false,
} as const;
