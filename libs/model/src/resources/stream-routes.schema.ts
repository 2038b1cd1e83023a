import {
  DESCRIPTION,
  HOST_SCHEMA,
  ID_SCHEMA,
  IP_SCHEMAS,
  NAME_SCHEMA,
  PLUGINS_SCHEMA,
  REMOTE_ADDR_SCHEMA,
} from './schema-parts.ts';
import { UPSTREAM_SCHEMA } from './upstreams.schema.ts';

const LOGGER_SCHEMA = {
  properties: {
    name: { type: 'string' },
    filter: { description: 'logger filter rules', type: 'array' },
    conf: { description: 'logger plugin configuration', type: 'object' },
  },
  dependencies: { name: ['conf'] },
  additionalProperties: false,
} as const;

const PROTOCOL_SCHEMA = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    superior_id: ID_SCHEMA,
    conf: { description: 'protocol-specific configuration', type: 'object' },
    logger: { type: 'array', items: LOGGER_SCHEMA },
  },
  required: ['name'],
} as const;

export const STREAM_ROUTE_SCHEMA = {
  type: 'object',
  properties: {
    name: NAME_SCHEMA,
    ...DESCRIPTION,
    remote_addr: REMOTE_ADDR_SCHEMA,
    server_addr: { description: 'server IP', type: 'string', anyOf: IP_SCHEMAS },
    server_port: { description: 'server port', type: 'integer', minimum: 1, maximum: 65_535 },
    sni: { description: 'server name indication', ...HOST_SCHEMA },
    upstream: UPSTREAM_SCHEMA,
    upstream_id: ID_SCHEMA,
    service_id: ID_SCHEMA,
    plugins: PLUGINS_SCHEMA,
    protocol: PROTOCOL_SCHEMA,
  },
  additionalProperties: false,
} as const;
