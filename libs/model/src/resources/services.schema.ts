import {
  DESCRIPTION,
  HOST_SCHEMA,
  ID_SCHEMA,
  NAME_SCHEMA,
  PLUGINS_SCHEMA,
  SCRIPT_SCHEMA,
} from './schema-parts.ts';
import { UPSTREAM_SCHEMA } from './upstreams.schema.ts';

export const SERVICE_SCHEMA = {
  type: 'object',
  properties: {
    name: NAME_SCHEMA,
    ...DESCRIPTION,
    plugins: PLUGINS_SCHEMA,
    upstream: UPSTREAM_SCHEMA,
    upstream_id: ID_SCHEMA,
    script: SCRIPT_SCHEMA,
    enable_websocket: { description: 'enable websocket for request', type: 'boolean' },
    hosts: { type: 'array', items: HOST_SCHEMA, minItems: 1, uniqueItems: true },
  },
  additionalProperties: false,
} as const;
