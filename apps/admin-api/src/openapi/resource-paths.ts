import { RESOURCE_SINGULAR } from '@polygate/model';
import type { JsonObject } from '../json-object.ts';
import type { Resource, ResourceMethod } from '../resources/resource.ts';
import { schemaRef } from './convert-schema.ts';
import { failuresOf } from './failures.ts';
import { type ParameterName, refer } from './parameters.ts';
import { componentName } from './write-schemas.ts';

export type ApiVersion = 'v3' | 'v2';

interface Place {
  /** Of the collection. */
  readonly path: string;
  readonly parents: readonly ParameterName[];
  /** Behind the collection's path. */
  readonly item: string;
  readonly ids: readonly ParameterName[];
}

/** The paths of one kind of object: its collection, one of it, and a field of one. */
export function resourcePaths(resource: Resource, version: ApiVersion): JsonObject {
  const place = placeOf(resource);
  const has = (method: ResourceMethod) => !resource.unsupported.includes(method);
  const paths: JsonObject = {
    [place.path]: collection(resource, place, version),
    [place.path + place.item]: {
      parameters: refer([...place.parents, ...place.ids]),
      get: {
        ...head(resource, 'get', 'one'),
        responses: { 200: one(resource, version), ...failuresOf([404]) },
      },
      put: write(resource, version, {
        name: 'put',
        what: 'make or replace one',
        body: body(resource),
      }),
      ...(has('PATCH') && { patch: patch(resource, version) }),
      delete: remove(resource, version),
    },
  };
  if (has('PATCH') && resource.kind !== 'graphql_cost_decorations') {
    paths[`${place.path}${place.item}/{sub_path}`] = {
      parameters: refer([...place.parents, ...place.ids, 'subPath']),
      patch: write(resource, version, {
        name: 'patchField',
        what: 'replace a field of one',
        body: json({}),
        fails: [404],
      }),
    };
  }
  return paths;
}

function placeOf({ kind, idSource }: Resource): Place {
  const none = { path: `/${kind}`, parents: [] };
  if (kind === 'secrets') return { ...none, item: '/{manager}/{id}', ids: ['manager', 'id'] };
  if (idSource === 'username') return { ...none, item: '/{username}', ids: ['username'] };
  if (idSource === 'name') return { ...none, item: '/{plugin_name}', ids: ['pluginName'] };
  const own = { item: '/{id}', ids: ['id'] } as const;
  if (kind === 'credentials') {
    return { path: `/consumers/{username}/${kind}`, parents: ['username'], ...own };
  }
  if (kind === 'graphql_cost_decorations') {
    return { path: `/services/{service_id}/${kind}`, parents: ['serviceId'], ...own };
  }
  return { ...none, ...own };
}

function collection(resource: Resource, place: Place, version: ApiVersion): JsonObject {
  const filters: ParameterName[] = ['page', 'pageSize', 'nameFilter', 'uriFilter', 'labelFilter'];
  if (resource.filterFields.length > 0) filters.push('filter');
  const name = componentName(resource.kind);
  // a secret's and a metadata's id are in the path alone
  const takesPut = resource.idSource !== 'name' && resource.kind !== 'secrets';
  const withId = { allOf: [schemaRef(name), { type: 'object', required: ['id'] }] };
  const inBody = resource.idSource === 'username' ? schemaRef(name) : withId;
  return {
    ...(place.parents.length > 0 && { parameters: refer(place.parents) }),
    get: {
      ...head(resource, 'list', 'all, or those that filters and paging ask for'),
      parameters: refer(filters),
      responses: { 200: list(resource, version), ...failuresOf([400, 404]) },
    },
    ...(takesPut && {
      put: write(resource, version, {
        name: 'putById',
        what: 'make or replace one, with its id in the body',
        body: json(inBody),
      }),
    }),
    ...(!resource.unsupported.includes('POST') && {
      post: write(resource, version, {
        name: 'post',
        what: 'make one with an id of the store’s',
        body: json({ allOf: [schemaRef(name), { type: 'object', not: { required: ['id'] } }] }),
      }),
    }),
  };
}

interface WriteOperation {
  readonly name: string;
  readonly what: string;
  readonly body: JsonObject;
  readonly fails?: readonly number[];
}

function write(resource: Resource, version: ApiVersion, operation: WriteOperation): JsonObject {
  const { name, what, body: requestBody, fails = [404] } = operation;
  return {
    ...head(resource, name, what),
    parameters: refer(['ttl', 'wait', 'timeout']),
    requestBody,
    responses: {
      200: written(resource, version, 'replaced'),
      201: written(resource, version, 'made'),
      ...failuresOf([400, 409, 504, ...fails]),
    },
  };
}

function patch(resource: Resource, version: ApiVersion): JsonObject {
  const changes = {
    type: 'object',
    description: 'merged into the object; null removes a field, a list is replaced as a whole',
  };
  return write(resource, version, { name: 'patch', what: 'merge into one', body: json(changes) });
}

function remove(resource: Resource, version: ApiVersion): JsonObject {
  const node = { key: { type: 'string' }, deleted: { const: '1' } };
  const properties = version === 'v3' ? node : { ...node, action: {}, node: {} };
  return {
    ...head(resource, 'delete', 'delete one'),
    parameters: refer(
      resource.refuseDelete === undefined ? ['wait', 'timeout'] : ['force', 'wait', 'timeout'],
    ),
    responses: {
      200: answered('deleted', { type: 'object', properties, required: ['key', 'deleted'] }),
      ...failuresOf([400, 404, 409, 504]),
    },
  };
}

function head({ kind }: Resource, name: string, what: string): JsonObject {
  const operationId = `${name}${componentName(kind)}`;
  return { operationId, tags: [kind], summary: `${RESOURCE_SINGULAR[kind]}: ${what}` };
}

function body({ kind }: Resource): JsonObject {
  return json(schemaRef(componentName(kind)));
}

export function json(schema: JsonObject): JsonObject {
  return { required: true, content: { 'application/json': { schema } } };
}

/** What is shown of a stored object. */
function shown({ kind }: Resource): JsonObject {
  const isLoose = kind === 'secrets' || kind === 'plugin_metadata';
  return isLoose ? { type: 'object' } : schemaRef(`Stored${componentName(kind)}`);
}

const INDEX = { type: 'integer', description: 'a revision of the store' };

function node(resource: Resource, withIndexes: boolean): JsonObject {
  const key = { type: 'string', description: 'in the store, with its prefix' };
  const indexes = { createdIndex: INDEX, modifiedIndex: INDEX };
  return {
    type: 'object',
    properties: { key, value: shown(resource), ...(withIndexes && indexes) },
    required: ['key', 'value', ...(withIndexes ? Object.keys(indexes) : [])],
  };
}

function one(resource: Resource, version: ApiVersion): JsonObject {
  if (version === 'v3') return answered('the object', node(resource, true));
  return answered('the object', inNode(node(resource, false)));
}

function list(resource: Resource, version: ApiVersion): JsonObject {
  const items = { type: 'array', items: node(resource, true) };
  if (version === 'v2') {
    const dir = { type: 'object', properties: { key: {}, dir: {}, nodes: items } };
    return answered('the objects', inNode(dir));
  }
  const total = { type: 'integer', minimum: 0, description: 'before paging' };
  const properties = { total, list: items };
  return answered('the objects', { type: 'object', properties, required: ['total', 'list'] });
}

function written(resource: Resource, version: ApiVersion, what: string): JsonObject {
  const schema = node(resource, false);
  const headers = {
    'X-Polygate-Revision': { $ref: '#/components/headers/Revision' },
    'X-Polygate-Applied': { $ref: '#/components/headers/Applied' },
  };
  return { ...answered(what, version === 'v3' ? schema : inNode(schema)), headers };
}

function inNode(schema: JsonObject): JsonObject {
  return {
    type: 'object',
    properties: { action: { type: 'string' }, node: schema },
    required: ['action', 'node'],
  };
}

export function answered(description: string, schema: JsonObject): JsonObject {
  return { description, content: { 'application/json': { schema } } };
}
