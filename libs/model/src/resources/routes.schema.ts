import {
  DESCRIPTION,
  HOST_SCHEMA,
  ID_SCHEMA,
  METHOD_SCHEMA,
  NAME_SCHEMA,
  PLUGINS_SCHEMA,
  REMOTE_ADDR_SCHEMA,
  SCRIPT_SCHEMA,
  TIMEOUT_SCHEMA,
} from './schema-parts.ts';
import { UPSTREAM_SCHEMA } from './upstreams.schema.ts';

const MATCHING = {
  uri: { type: 'string', minLength: 1, maxLength: 4096 },
  uris: {
    type: 'array',
    items: { description: 'HTTP uri', type: 'string' },
    minItems: 1,
    uniqueItems: true,
  },
  priority: { type: 'integer', default: 0 },
  methods: { type: 'array', items: METHOD_SCHEMA, uniqueItems: true },
  host: HOST_SCHEMA,
  hosts: { type: 'array', items: HOST_SCHEMA, minItems: 1, uniqueItems: true },
  remote_addr: REMOTE_ADDR_SCHEMA,
  remote_addrs: { type: 'array', items: REMOTE_ADDR_SCHEMA, minItems: 1, uniqueItems: true },
  vars: { type: 'array' },
  filter_func: { type: 'string', minLength: 10, pattern: '^function' },
} as const;

// At most one of two names.
function notBoth(one: string, other: string): object {
  return {
    oneOf: [
      { not: { anyOf: [{ required: [one] }, { required: [other] }] } },
      { required: [one] },
      { required: [other] },
    ],
  };
}

/** Sources: apisix/schema_def.lua, `_M.route`. The order of the `anyOf` is that of the message. */
export const ROUTE_SCHEMA = {
  type: 'object',
  properties: {
    name: NAME_SCHEMA,
    ...DESCRIPTION,
    ...MATCHING,
    timeout: TIMEOUT_SCHEMA,
    script: SCRIPT_SCHEMA,
    script_id: ID_SCHEMA,
    plugins: PLUGINS_SCHEMA,
    plugin_config_id: ID_SCHEMA,
    upstream: UPSTREAM_SCHEMA,
    service_id: ID_SCHEMA,
    upstream_id: ID_SCHEMA,
    enable_websocket: { description: 'enable websocket for request', type: 'boolean' },
    status: {
      description: 'route status, 1 to enable, 0 to disable',
      type: 'integer',
      enum: [1, 0],
      default: 1,
    },
  },
  allOf: [
    { oneOf: [{ required: ['uri'] }, { required: ['uris'] }] },
    notBoth('host', 'hosts'),
    notBoth('remote_addr', 'remote_addrs'),
  ],
  anyOf: [
    { required: ['plugins', 'uri'] },
    { required: ['upstream', 'uri'] },
    { required: ['upstream_id', 'uri'] },
    { required: ['service_id', 'uri'] },
    { required: ['plugins', 'uris'] },
    { required: ['upstream', 'uris'] },
    { required: ['upstream_id', 'uris'] },
    { required: ['service_id', 'uris'] },
    { required: ['script', 'uri'] },
    { required: ['script', 'uris'] },
  ],
  not: {
    anyOf: [{ required: ['script', 'plugins'] }, { required: ['script', 'plugin_config_id'] }],
  },
  additionalProperties: false,
} as const;
