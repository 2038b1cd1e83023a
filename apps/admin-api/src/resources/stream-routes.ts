import { isJsonObject, type JsonObject } from '../json-object.ts';
import {
  findDanglingReference,
  findObject,
  findUser,
  type Reference,
  UPSTREAM_REFERENCE,
} from '../references.ts';
import type { ReadableStore } from '../store/readable-store.ts';
import type { Resource, WriteContext } from './resource.ts';

const references: readonly Reference[] = [
  UPSTREAM_REFERENCE,
  { field: 'service_id', kind: 'services', label: 'service' },
];

export const streamRoutes: Resource = {
  kind: 'stream_routes',
  idSource: 'id',
  unsupported: ['PATCH'],
  filterFields: ['service_id', 'upstream_id'],
  refuseWrite: async (context) =>
    (await findDanglingReference(context.store, context.value, references)) ??
    (await refuseSuperior(context)),
  refuseDelete,
};

/** The route that a route of the same protocol is subordinate to. */
async function refuseSuperior({ store, id, value }: WriteContext): Promise<string | undefined> {
  const { protocol } = value;
  const superiorId = superiorOf(protocol);
  if (superiorId === undefined) return undefined;
  if (superiorId === id) return 'stream route can not set itself as superior_id';
  const superior = await findObject(store, 'stream_routes', superiorId);
  if (superior === undefined) {
    return `failed to fetch stream routes[${superiorId}], response code: 404`;
  }
  const other = isJsonObject(superior.value) ? superior.value['protocol'] : undefined;
  const [name, otherName] = [protocol, other].map(nameOf);
  if (otherName === undefined || otherName === name) return undefined;
  return (
    `protocol mismatch: subordinate protocol [${name}] does not match ` +
    `superior protocol [${otherName}]`
  );
}

async function refuseDelete(store: ReadableStore, id: string): Promise<string | undefined> {
  const used = await findUser(store, id, 'this stream route directly', [
    {
      kind: 'stream_routes',
      label: 'stream route',
      uses: usesSuperior,
    },
  ]);
  return used?.replace(/ it now$/, ' it as superior_id');
}

function usesSuperior({ protocol }: JsonObject) {
  const id = superiorOf(protocol);
  return id === undefined ? [] : [{ id, by: 'itself' } as const];
}

function superiorOf(protocol: unknown): string | undefined {
  const id = isJsonObject(protocol) ? protocol['superior_id'] : undefined;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}

function nameOf(protocol: unknown): string | undefined {
  const name = isJsonObject(protocol) ? protocol['name'] : undefined;
  return typeof name === 'string' ? name : undefined;
}
