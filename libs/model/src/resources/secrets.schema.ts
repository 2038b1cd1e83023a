import type { JsonSchemaObject } from '../schema/validator.ts';
import { URI_SCHEMA } from './schema-parts.ts';

const VAULT_SCHEMA = {
  type: 'object',
  properties: {
    uri: URI_SCHEMA,
    prefix: { type: 'string' },
    token: { type: 'string' },
    namespace: { type: 'string' },
  },
  required: ['uri', 'prefix', 'token'],
} as const;

const AWS_SCHEMA = {
  type: 'object',
  properties: {
    access_key_id: { type: 'string' },
    secret_access_key: { type: 'string' },
    session_token: { type: 'string' },
    region: { type: 'string', default: 'us-east-1' },
    endpoint_url: URI_SCHEMA,
  },
  required: ['access_key_id', 'secret_access_key'],
} as const;

const GCP_SCHEMA = {
  type: 'object',
  properties: {
    auth_config: {
      type: 'object',
      properties: {
        client_email: { type: 'string' },
        private_key: { type: 'string' },
        project_id: { type: 'string' },
        token_uri: { type: 'string', default: 'https://oauth2.googleapis.com/token' },
        scope: {
          type: 'array',
          items: { type: 'string' },
          default: ['https://www.googleapis.com/auth/cloud-platform'],
        },
        entries_uri: {
          type: 'string',
          default: 'https://secretmanager.googleapis.com/v1',
        },
      },
      required: ['client_email', 'private_key', 'project_id'],
    },
    ssl_verify: { type: 'boolean', default: true },
    auth_file: { type: 'string' },
  },
  oneOf: [{ required: ['auth_config'] }, { required: ['auth_file'] }],
} as const;

/** By the manager's name, which is part of the key. Sources: apisix/secret/*.lua. */
export const SECRET_MANAGER_SCHEMAS: ReadonlyMap<string, JsonSchemaObject> = new Map<
  string,
  JsonSchemaObject
>([
  ['vault', VAULT_SCHEMA],
  ['aws', AWS_SCHEMA],
  ['gcp', GCP_SCHEMA],
]);

/** What all managers have in common. */
export const SECRET_SCHEMA = { type: 'object' } as const;
