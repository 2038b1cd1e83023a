import {
  CERTIFICATE_SCHEMA,
  DESCRIPTION,
  HOST_SCHEMA,
  PRIVATE_KEY_SCHEMA,
} from './schema-parts.ts';

const CLIENT_VERIFICATION_SCHEMA = {
  type: 'object',
  properties: {
    ca: CERTIFICATE_SCHEMA,
    depth: { type: 'integer', minimum: 0, default: 1 },
    skip_mtls_uri_regex: {
      type: 'array',
      minItems: 1,
      uniqueItems: true,
      items: { description: 'uri regular expression to skip mtls', type: 'string' },
    },
  },
  required: ['ca'],
} as const;

export const SSL_SCHEMA = {
  type: 'object',
  properties: {
    ...DESCRIPTION,
    type: {
      description:
        'ssl certificate type, server to server certificate, ' +
        'client to client certificate for upstream',
      type: 'string',
      default: 'server',
      enum: ['server', 'client'],
    },
    cert: CERTIFICATE_SCHEMA,
    key: PRIVATE_KEY_SCHEMA,
    sni: HOST_SCHEMA,
    snis: { type: 'array', items: HOST_SCHEMA, minItems: 1 },
    certs: { type: 'array', items: CERTIFICATE_SCHEMA },
    keys: { type: 'array', items: PRIVATE_KEY_SCHEMA },
    client: CLIENT_VERIFICATION_SCHEMA,
    status: {
      description: 'ssl status, 1 to enable, 0 to disable',
      type: 'integer',
      enum: [1, 0],
      default: 1,
    },
    ssl_protocols: {
      description: 'set ssl protocols',
      type: 'array',
      maxItems: 3,
      uniqueItems: true,
      items: { enum: ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] },
    },
  },
  if: { properties: { type: { enum: ['server'] } } },
  then: {
    oneOf: [{ required: ['sni', 'key', 'cert'] }, { required: ['snis', 'key', 'cert'] }],
  },
  else: { required: ['key', 'cert'] },
  additionalProperties: false,
} as const;
