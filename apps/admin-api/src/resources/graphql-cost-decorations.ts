import { refusal } from '../answer.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { ReadableStore } from '../store/readable-store.ts';
import type { Refusal, Resource, WriteContext } from './resource.ts';

/** Of a service: see readResourcePath for where they are. */
export const graphqlCostDecorations: Resource = {
  kind: 'graphql_cost_decorations',
  idSource: 'id',
  unsupported: [],
  filterFields: [],
  bindParent,
  refersFirst: true,
  refusePatch: ({ service_id }) =>
    isSet(service_id) ? 'service_id can not be patched' : undefined,
  refuseWrite,
};

/** The service comes from the path. Source: bind_service of admin/graphql_cost_decorations.lua. */
function bindParent(value: JsonObject, service: string): string | undefined {
  const own = value['service_id'];
  const isSame = (typeof own === 'string' || typeof own === 'number') && String(own) === service;
  if (isSet(own) && !isSame) return 'wrong service_id, it is taken from the path';
  value['service_id'] = service;
  return undefined;
}

async function refuseWrite(context: WriteContext): Promise<Refusal | undefined> {
  const { store, parent } = context;
  const isThere = (await store.get(`/services/${parent}`)) !== undefined;
  return isThere ? findSameFieldPath(store, context) : refusal(404, 'service not found');
}

async function findSameFieldPath(
  store: ReadableStore,
  { id, value, parent }: WriteContext,
): Promise<string | undefined> {
  const { field_path: path } = value;
  const { items } = await store.list(`/services/${parent}/graphql_cost_decorations/`);
  for (const { key, value: other } of items) {
    const otherId = key.slice(key.lastIndexOf('/') + 1);
    if (!isJsonObject(other) || other['field_path'] !== path || otherId === id) continue;
    return `field_path ${String(path)} is already decorated on this service by [${otherId}]`;
  }
  return undefined;
}

/** As Lua sees it, where a null of JSON is something. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== false;
}
