import { HEALTH_CHECK_SCHEMA } from './health-check.schema.ts';
import {
  CERTIFICATE_SCHEMA,
  DESCRIPTION,
  HOST_SCHEMA,
  ID_SCHEMA,
  NAME_SCHEMA,
  PRIVATE_KEY_SCHEMA,
  TIMEOUT_SCHEMA,
} from './schema-parts.ts';

const WEIGHT_SCHEMA = { description: 'weight of node', type: 'integer', minimum: 0 } as const;

const NODES_SCHEMA = {
  anyOf: [
    { type: 'object', patternProperties: { '.*': WEIGHT_SCHEMA } },
    {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          host: HOST_SCHEMA,
          port: { description: 'port of node', type: 'integer', minimum: 1, maximum: 65_535 },
          weight: WEIGHT_SCHEMA,
          priority: { description: 'priority of node', type: 'integer', default: 0 },
          metadata: { description: 'metadata of node', type: 'object' },
        },
        required: ['host', 'weight'],
      },
    },
  ],
} as const;

const TLS_SCHEMA = {
  type: 'object',
  properties: {
    client_cert_id: ID_SCHEMA,
    client_cert: CERTIFICATE_SCHEMA,
    client_key: PRIVATE_KEY_SCHEMA,
    verify: {
      type: 'boolean',
      description:
        'Turn on server certificate verification, currently only kafka upstream is supported',
      default: false,
    },
  },
  dependencies: {
    client_cert: { required: ['client_key'] },
    client_key: { required: ['client_cert'] },
    client_cert_id: { not: { required: ['client_cert', 'client_key'] } },
  },
} as const;

const KEEPALIVE_POOL_SCHEMA = {
  type: 'object',
  properties: {
    size: { type: 'integer', default: 320, minimum: 1 },
    idle_timeout: { type: 'number', default: 60, minimum: 0 },
    requests: { type: 'integer', default: 1000, minimum: 1 },
  },
} as const;

const BALANCING = {
  type: {
    description: 'algorithms of load balancing',
    type: 'string',
    default: 'roundrobin',
  },
  hash_on: {
    type: 'string',
    default: 'vars',
    enum: ['vars', 'header', 'cookie', 'consumer', 'vars_combinations'],
  },
  key: { description: 'the key of chash for dynamic load balancing', type: 'string' },
} as const;

const SCHEME_SCHEMA = {
  default: 'http',
  enum: ['grpc', 'grpcs', 'http', 'https', 'tcp', 'tls', 'udp', 'kafka'],
  description:
    'The scheme of the upstream. For L7 proxy, it can be one of grpc/grpcs/http/https.' +
    ' For L4 proxy, it can be one of tcp/tls/udp. For specific protocols, it can be kafka.',
} as const;

const DISCOVERY = {
  discovery_type: { description: 'discovery type', type: 'string' },
  discovery_args: {
    type: 'object',
    properties: {
      namespace_id: { description: 'namespace id', type: 'string' },
      group_name: { description: 'group name', type: 'string' },
    },
  },
  service_name: { type: 'string', maxLength: 256, minLength: 1 },
} as const;

export const UPSTREAM_SCHEMA = {
  type: 'object',
  properties: {
    name: NAME_SCHEMA,
    ...DESCRIPTION,
    nodes: NODES_SCHEMA,
    retries: { type: 'integer', minimum: 0 },
    retry_timeout: { type: 'number', minimum: 0 },
    timeout: TIMEOUT_SCHEMA,
    tls: TLS_SCHEMA,
    keepalive_pool: KEEPALIVE_POOL_SCHEMA,
    checks: HEALTH_CHECK_SCHEMA,
    ...BALANCING,
    scheme: SCHEME_SCHEMA,
    ...DISCOVERY,
    pass_host: {
      description: 'mod of host passing',
      type: 'string',
      enum: ['pass', 'node', 'rewrite'],
      default: 'pass',
    },
    upstream_host: HOST_SCHEMA,
  },
  oneOf: [{ required: ['nodes'] }, { required: ['service_name', 'discovery_type'] }],
  additionalProperties: false,
} as const;

/** What `key` may be when `type` is chash, by `hash_on`; nothing is asked of `consumer`. */
export const CHASH_KEY_SCHEMAS = {
  vars: {
    type: 'string',
    pattern:
      '^((uri|server_name|server_addr|request_uri|remote_port' +
      '|remote_addr|query_string|host|hostname|mqtt_client_id)|arg_[0-9a-zA-z_-]+)$',
  },
  header: { type: 'string', pattern: '^[a-zA-Z0-9-_]+$' },
  cookie: { type: 'string', pattern: '^[a-zA-Z0-9-_]+$' },
  vars_combinations: { type: 'string' },
} as const;
