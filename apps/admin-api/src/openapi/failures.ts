import type { JsonObject } from '../json-object.ts';
import { schemaRef } from './convert-schema.ts';

const REJECTED = {
  type: 'object',
  properties: {
    instance_id: { type: 'string' },
    hostname: { type: 'string' },
    key: { type: 'string' },
    reason: { type: 'string' },
  },
} as const;

const LAGGING = {
  type: 'object',
  properties: {
    instance_id: { type: 'string' },
    hostname: { type: 'string' },
    applied_revision: { type: 'integer' },
  },
} as const;

/** What an error may say; APISIX's own have the first three. */
const FIELDS = {
  error_msg: { type: 'string', description: 'what is wrong, in the words of APISIX' },
  description: { type: 'string', description: 'of a failed authentication: why' },
  req_body: { type: 'string', description: 'the body, where it could not be parsed' },
  errors: {
    type: 'array',
    description: 'each fault, of many changes or a whole configuration',
    items: { type: 'object' },
  },
  revision: { type: 'integer', description: 'of ?wait=applied: what was written all the same' },
  applied: { type: 'integer', description: 'of ?wait=applied: how many data planes serve it' },
  lagging: { type: 'array', items: LAGGING },
  rejected: { type: 'array', items: REJECTED },
} as const;

/** The shapes of everything that goes wrong. */
export const FAILURE_SCHEMAS: JsonObject = {
  Error: {
    description:
      'Every error by default, byte for byte as APISIX writes it where it has it. Two are APISIX’s ' +
      'own exceptions: `{"message":"Key not found"}` and the plain text of a wrong `page_size` or ' +
      '`subsystem`. `Accept: application/problem+json` makes them all of one shape: see Problem.',
    type: 'object',
    properties: FIELDS,
    required: ['error_msg'],
    additionalProperties: false,
  },
  KeyNotFound: {
    description: 'APISIX’s answer about an object that is not there',
    type: 'object',
    properties: { message: { const: 'Key not found' } },
    required: ['message'],
    additionalProperties: false,
  },
  Problem: {
    description:
      'RFC 9457, with the fields of Error in it. Every error has this shape when the request says ' +
      '`Accept: application/problem+json`.',
    type: 'object',
    properties: {
      type: { const: 'about:blank' },
      title: { type: 'string', description: 'the name of the status' },
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: { type: 'string', description: 'the same as error_msg' },
      ...FIELDS,
    },
    required: ['type', 'title', 'status', 'detail', 'error_msg'],
    additionalProperties: false,
  },
};

function failure(description: string, ...others: readonly JsonObject[]): JsonObject {
  const error = schemaRef('Error');
  return {
    description,
    content: {
      'application/json': { schema: others.length === 0 ? error : { anyOf: [error, ...others] } },
      'application/problem+json': { schema: schemaRef('Problem') },
    },
  };
}

function withText(response: JsonObject): JsonObject {
  const content = { ...(response['content'] as JsonObject), 'text/plain': { schema: TEXT } };
  return { ...response, content };
}

const TEXT = { type: 'string' } as const;
const RETRY_AFTER = {
  'Retry-After': { description: 'seconds', schema: { type: 'string', pattern: '^\\d+$' } },
} as const;

/** `components/responses`, by status where one status means one thing. */
export const FAILURE_RESPONSES: JsonObject = {
  Refused: withText(failure('What was sent breaks a rule.')),
  Unauthorized: failure('No key, a wrong one, or one that may only read.'),
  Forbidden: failure('The address is not allowed (`allow_admin`).'),
  NotFound: failure('There is no such object, or nothing to refer to.', schemaRef('KeyNotFound')),
  MethodNotAllowed: failure('Another method is meant for this.'),
  Conflict: failure(
    'Of a transaction: an if_revision does not hold. ' +
      'Of `wait=applied`: written, but rejected by data planes. ' +
      'Of a restart: the old processes go on.',
  ),
  Gone: failure('The revision is no longer kept.'),
  TooManyWrongKeys: {
    ...failure('Too many wrong keys came from this address.'),
    headers: RETRY_AFTER,
  },
  Failed: failure('A bug, or a stored value that cannot be read.'),
  BadGateway: failure('The data plane that was asked has no answer.'),
  Unavailable: failure(
    'The store cannot be reached, too much is under way, or nobody is connected who could answer.',
  ),
  NotApplied: failure(
    'Of `wait=applied`: written, but not served by all data planes in time. ' +
      'Of an explanation: the data plane did not answer in time.',
  ),
};

const NAME_BY_STATUS: Readonly<Record<number, string>> = {
  400: 'Refused',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Gone',
  429: 'TooManyWrongKeys',
  500: 'Failed',
  502: 'BadGateway',
  503: 'Unavailable',
  504: 'NotApplied',
};

/** Of any request that needs a key. */
const ALWAYS = [401, 403, 429, 500, 503];

/** `responses` of an operation for these statuses and those that any may have. */
export function failuresOf(statuses: readonly number[]): JsonObject {
  const all = [...new Set([...statuses, ...ALWAYS])].toSorted((a, b) => a - b);
  return Object.fromEntries(
    all.map((status) => [
      String(status),
      { $ref: `#/components/responses/${NAME_BY_STATUS[status]}` },
    ]),
  );
}
