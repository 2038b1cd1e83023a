import type { JsonSchemaObject } from '../schema/validator.ts';

// Definitions that several kinds share. Facts from apisix/schema_def.lua of APISIX 3.18.

export const ID_SCHEMA = {
  anyOf: [
    { type: 'string', minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-_.]+$' },
    { type: 'integer', minimum: 1 },
  ],
} as const;

export const HOST_SCHEMA = {
  type: 'string',
  pattern: '^\\*$|^\\*?[0-9a-zA-Z-._\\[\\]:]+$',
} as const;

const IPV4_OCTET = '([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])';
const IPV4 = [IPV4_OCTET, IPV4_OCTET, IPV4_OCTET, IPV4_OCTET].join('\\.');
const IPV6 = '([a-fA-F0-9]{0,4}:){1,8}(:[a-fA-F0-9]{0,4}){0,8}' + '([a-fA-F0-9]{0,4})?';

/** The four ways to write an address or a network. */
export const IP_SCHEMAS = [
  { title: 'IPv4', type: 'string', format: 'ipv4' },
  { title: 'IPv4/CIDR', type: 'string', pattern: `^${IPV4}/([12]?[0-9]|3[0-2])$` },
  { title: 'IPv6', type: 'string', format: 'ipv6' },
  { title: 'IPv6/CIDR', type: 'string', pattern: `^${IPV6}/[0-9]{1,3}$` },
] as const;

export const REMOTE_ADDR_SCHEMA = {
  description: 'client IP',
  type: 'string',
  anyOf: IP_SCHEMAS,
} as const;

export const LABEL_VALUE_SCHEMA = {
  description: 'value of label',
  type: 'string',
  pattern: '^\\S+$',
  maxLength: 256,
  minLength: 1,
} as const;

const LABELS_SCHEMA = {
  description: 'key/value pairs to specify attributes',
  type: 'object',
  patternProperties: { '.*': LABEL_VALUE_SCHEMA },
} as const;

export const NAME_SCHEMA = { type: 'string', maxLength: 256, minLength: 1 } as const;
const DESC_SCHEMA = { type: 'string', maxLength: 256 } as const;
const TIMESTAMP_SCHEMA = { type: 'integer' } as const;

export const TIMES = {
  create_time: TIMESTAMP_SCHEMA,
  update_time: TIMESTAMP_SCHEMA,
} as const;

/** What every object may say of itself, but for its name. */
export const DESCRIPTION = {
  id: ID_SCHEMA,
  desc: DESC_SCHEMA,
  labels: LABELS_SCHEMA,
  ...TIMES,
} as const;

/** PEM, of a certificate or a chain of them. */
export const CERTIFICATE_SCHEMA = { type: 'string', minLength: 128, maxLength: 65_536 } as const;

/** PEM, or base64 of it in encrypted form. */
export const PRIVATE_KEY_SCHEMA = { type: 'string', minLength: 64, maxLength: 65_536 } as const;

/** Seconds. */
export const TIMEOUT_SCHEMA = {
  type: 'object',
  properties: {
    connect: { type: 'number', exclusiveMinimum: 0 },
    send: { type: 'number', exclusiveMinimum: 0 },
    read: { type: 'number', exclusiveMinimum: 0 },
  },
  required: ['connect', 'send', 'read'],
} as const;

export const METHOD_SCHEMA = {
  description: 'HTTP method',
  type: 'string',
  enum: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'CONNECT', 'TRACE', 'PURGE'],
} as const;

export const SCRIPT_SCHEMA = { type: 'string', minLength: 10, maxLength: 102_400 } as const;

/** Each plugin's conf is checked by the plugin's own schema. */
export const PLUGINS_SCHEMA = { type: 'object' } as const;

/** An address with a scheme, as plugins take it: `http://host:port`. */
export const URI_SCHEMA = {
  type: 'string',
  pattern: '^[^\\/]+:\\/\\/([\\da-zA-Z.-]+|\\[[\\da-fA-F:]+\\])(:\\d+)?',
} as const;

/** `anonymous_consumer` of the auth plugins. */
export const ANONYMOUS_CONSUMER_SCHEMA = { type: 'string', minLength: 1 } as const;

/** `realm` of the auth plugins: printable ASCII but for the quote and the backslash. */
export function realmSchema(defaultRealm: string): JsonSchemaObject {
  return {
    type: 'string',
    pattern: '^[ -!#-[\\]-~]+$',
    default: defaultRealm,
    minLength: 1,
    maxLength: 128,
  };
}
