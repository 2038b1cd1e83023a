import type { JsonObject } from '../json-object.ts';
import { schemaRef } from './convert-schema.ts';
import { explainPaths, runnerPaths } from './live-paths.ts';
import { operation } from './operation.ts';
import { refer } from './parameters.ts';
import { answered, json } from './resource-paths.ts';

const TEXT = { type: 'string' };
const REVISION = { type: 'integer', description: 'of the store' };
const ANY_OBJECT = { type: 'object' };
const EMPTY = { description: 'it is valid' };

/** JSON, or YAML of the same. */
function document(schema: JsonObject): JsonObject {
  const content = { 'application/json': { schema }, 'application/yaml': { schema } };
  return { required: true, content };
}

/** A whole configuration: lists by kind, each object with its id in it. */
const CONFIGURATION = {
  type: 'object',
  properties: { routes: { type: 'array', items: { type: 'object' } } },
  additionalProperties: { type: ['array', 'integer', 'string'] },
};

const validateConfigs = operation({
  id: 'validateConfigs',
  tag: 'validation',
  summary: 'check a whole configuration, and store nothing',
  body: document(CONFIGURATION),
  answer: answered('no fault', ANY_OBJECT),
  fails: [400],
});

const openApi = operation({
  id: 'getOpenApi',
  tag: 'polygate',
  summary: 'this document',
  parameters: ['withPlugins'],
  answer: answered('OpenAPI 3.1', ANY_OBJECT),
  fails: [400],
});

/** What there is besides objects, where the store is one of objects. */
export function fixedPaths(kinds: readonly string[]): JsonObject {
  return {
    ...pluginPaths(),
    ...schemaPaths(kinds),
    ...polygatePaths(),
    ...explainPaths(),
    ...runnerPaths(),
  };
}

/** All there is in standalone mode. */
export function standalonePaths(): JsonObject {
  const headers = { 'X-Digest': { schema: TEXT }, 'X-Last-Modified': { schema: TEXT } };
  const content = { 'application/json': { schema: ANY_OBJECT }, 'application/yaml': {} };
  const put = operation({
    id: 'putConfigs',
    tag: 'standalone',
    summary: 'replace the whole configuration',
    parameters: ['digest'],
    body: document(CONFIGURATION),
    answer: { description: 'taken', headers },
    status: 202,
    fails: [400],
  });
  Object.assign(put['responses'] as JsonObject, { 204: { description: 'it is in use already' } });
  return {
    '/configs': {
      get: operation({
        id: 'getConfigs',
        tag: 'standalone',
        summary: 'the whole configuration, as JSON or YAML',
        answer: { description: 'the configuration', headers, content },
      }),
      head: operation({
        id: 'headConfigs',
        tag: 'standalone',
        summary: 'digest and time of the configuration',
        answer: { description: 'in the headers', headers },
      }),
      put,
    },
    '/configs/validate': { post: validateConfigs },
    '/polygate/openapi.json': { get: openApi },
    ...explainPaths(),
    ...runnerPaths(),
  };
}

function pluginPaths(): JsonObject {
  const describe = { tag: 'plugins', fails: [400, 404] };
  return {
    '/plugins': {
      get: operation({
        ...describe,
        id: 'getPlugins',
        summary: 'with ?all=true: schemas, priority and type of all enabled plugins by name',
        parameters: ['allPlugins', 'subsystem'],
        answer: answered('by name', { type: 'object', additionalProperties: ANY_OBJECT }),
      }),
    },
    '/plugins/list': {
      get: operation({
        ...describe,
        id: 'listPlugins',
        summary: 'names of the enabled plugins by priority',
        parameters: ['subsystem'],
        answer: answered('names', { type: 'array', items: TEXT }),
      }),
    },
    '/plugins/{plugin_name}': {
      parameters: refer(['pluginName']),
      get: operation({ ...describe, ...PLUGIN_SCHEMA, id: 'getPlugin' }),
    },
    '/plugins/reload': {
      put: operation({
        tag: 'plugins',
        id: 'reloadPlugins',
        summary: 'read the list of plugins in the configuration file again',
        parameters: ['wait', 'timeout'],
        answer: { description: 'done', content: { 'text/plain': { schema: { const: 'done' } } } },
        fails: [400, 409, 504],
      }),
    },
  };
}

const PLUGIN_SCHEMA = {
  summary: 'the schema of one enabled plugin',
  parameters: ['allPlugins', 'subsystem', 'schemaType'],
  answer: answered('JSON Schema, of draft 4 to 7', ANY_OBJECT),
} as const;

function schemaPaths(kinds: readonly string[]): JsonObject {
  const schema = { tag: 'schema', fails: [400, 404] };
  return {
    '/schema/{name}': {
      parameters: refer(['schemaName']),
      get: operation({
        ...schema,
        id: 'getSchema',
        summary: 'the schema of one kind of object',
        answer: answered('JSON Schema, of draft 4 to 7', ANY_OBJECT),
      }),
    },
    '/schema/plugins/{plugin_name}': {
      parameters: refer(['pluginName']),
      get: operation({ ...schema, ...PLUGIN_SCHEMA, id: 'getPluginSchema' }),
    },
    '/schema/validate/{resource}': {
      parameters: refer(['kind']),
      post: operation({
        tag: 'validation',
        id: 'validateObject',
        summary: `check an object by the schema of its kind alone: ${kinds.join(', ')}`,
        body: json({}),
        answer: EMPTY,
        fails: [400, 404],
      }),
    },
    '/configs/validate': { post: validateConfigs },
  };
}

function polygatePaths(): JsonObject {
  const changed = {
    200: {
      ...answered('what was changed, or with dry_run would be', CHANGES),
      headers: { 'X-Polygate-Revision': { $ref: '#/components/headers/Revision' } },
    },
  };
  const write = { tag: 'polygate', answer: changed[200] };
  return {
    '/polygate/openapi.json': { get: openApi },
    '/polygate/data-planes': {
      get: operation({
        id: 'listDataPlanes',
        tag: 'polygate',
        summary: 'the connected data planes, what they serve and what they rejected',
        answer: answered('data planes', DATA_PLANES),
      }),
    },
    '/polygate/transaction': {
      post: operation({
        ...write,
        id: 'transact',
        summary: 'make many changes in one revision, or none',
        parameters: ['dryRun', 'wait', 'timeout'],
        body: document(schemaRef('Transaction')),
        fails: [400, 409, 410, 504],
      }),
    },
    '/polygate/history': {
      get: operation({
        id: 'getHistory',
        tag: 'polygate',
        summary: 'which revisions changed what, newest first',
        parameters: ['key', 'limit', 'before'],
        answer: answered('revisions', HISTORY),
        fails: [400, 410],
      }),
    },
    '/polygate/rollback/{revision}': {
      parameters: refer(['revision']),
      post: operation({
        ...write,
        id: 'rollBack',
        summary: 'make all objects what they were at a revision',
        parameters: ['dryRun', 'forceRollback', 'wait', 'timeout'],
        fails: [400, 409, 410, 504],
      }),
    },
  };
}

const CHANGES = {
  type: 'object',
  properties: {
    revision: REVISION,
    dry_run: { type: 'boolean' },
    base_revision: REVISION,
    changes: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          key: TEXT,
          action: { enum: ['create', 'update', 'delete'] },
          previous_revision: { type: ['integer', 'null'] },
          before: { description: 'of a dry run' },
          after: { description: 'of a dry run' },
        },
        required: ['key', 'action', 'previous_revision'],
      },
    },
  },
  required: ['changes'],
};

const HISTORY = {
  type: 'object',
  properties: {
    list: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          revision: REVISION,
          total: { type: 'integer' },
          changes: { type: 'array', items: ANY_OBJECT },
        },
        required: ['revision', 'total', 'changes'],
      },
    },
    next_before: { type: ['integer', 'null'] },
    oldest_revision: REVISION,
  },
  required: ['list', 'next_before', 'oldest_revision'],
};

const DATA_PLANES = {
  type: 'object',
  properties: {
    total: { type: 'integer' },
    list: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          instance_id: TEXT,
          hostname: TEXT,
          version: TEXT,
          connected_at: { type: 'integer' },
          applied_revision: { type: ['integer', 'null'] },
          applied_at: { type: ['integer', 'null'] },
          rejected_total: { type: 'integer' },
          rejected: { type: 'array', items: ANY_OBJECT },
          plugin_set: { type: ['object', 'null'] },
        },
      },
    },
  },
  required: ['total', 'list'],
};

const IF_REVISION = { type: 'integer', minimum: 0 };

/** The body of a transaction: see read-transaction.ts. */
export const TRANSACTION_SCHEMA: JsonObject = {
  type: 'object',
  properties: {
    changes: {
      type: 'array',
      minItems: 1,
      maxItems: 10_000,
      items: {
        type: 'object',
        properties: {
          method: { enum: ['PUT', 'PATCH', 'DELETE'] },
          path: { type: 'string', pattern: '^\\/[^?#%]+$', maxLength: 2048 },
          body: { description: 'as that of the same request; not for DELETE' },
          if_revision: { ...IF_REVISION, description: 'of the object; 0: there is none' },
          force: { type: 'boolean', description: 'of DELETE: although others use it' },
        },
        required: ['method', 'path'],
        additionalProperties: false,
      },
    },
    if_revision: { ...IF_REVISION, description: 'none of the objects changed since' },
  },
  required: ['changes'],
  additionalProperties: false,
};
