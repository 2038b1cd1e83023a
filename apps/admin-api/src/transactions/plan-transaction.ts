import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StoredItem } from '@polygate/config-store';
import { RESOURCE_SINGULAR } from '@polygate/model';
import { type Answer, KEY_NOT_FOUND, refusal } from '../answer.ts';
import { isJsonObject } from '../json-object.ts';
import { isId, missingId, refusePatch, type ResourceTarget } from '../writes/prepare-write.ts';
import type { PreparedValue, WritePreparer } from '../writes/prepare-write.ts';
import { findResource } from '../resources/resources.ts';
import { readResourcePath } from '../routes/resource-path.ts';
import { stampWrite } from '../writes/timestamps.ts';
import type { PlannedStore } from './planned-store.ts';
import type { RequestedChange } from './read-transaction.ts';

/** Why a change cannot be made, with the status that it would have been answered with alone. */
export interface Fault {
  readonly index: number;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly error_msg: string;
}

export interface PlanOptions {
  readonly planned: PlannedStore;
  readonly preparer: WritePreparer;
  readonly hasStreamMode: boolean;
  /** Item by key at the revision that nothing may have changed since. */
  readonly unchangedSince: ReadonlyMap<string, StoredItem> | undefined;
}

/** A change that its own rules allow; what it refers to is not looked at yet. */
interface Planned {
  readonly change: RequestedChange;
  readonly target: ResourceTarget;
  /** Undefined: deleted. */
  readonly prepared: PreparedValue | undefined;
  readonly key: string;
}

/** Changes that are looked at before other requests get their turn. */
const BATCH = 50;

/**
 * Plans all changes and then checks each one's references in what comes out, so that their order
 * means nothing. Resolves with the faults.
 */
export async function planTransaction(
  changes: readonly RequestedChange[],
  options: PlanOptions,
): Promise<Fault[]> {
  const { planned, preparer } = options;
  const faults: Fault[] = [];
  const allowed: Planned[] = [];
  for (const change of changes) {
    if (change.index % BATCH === 0) await nextTurn();
    const result = plan(change, options);
    if ('status' in result) faults.push(toFault(change, result));
    else allowed.push(result);
  }
  planned.deleteBelow(ownedBy(allowed, planned));
  for (const [n, one] of allowed.entries()) {
    if (n % BATCH === 0) await nextTurn();
    const refused = await refuseReferences(one, planned, preparer);
    if (refused !== undefined) faults.push(toFault(one.change, refused));
  }
  return faults.toSorted((a, b) => a.index - b.index);
}

function plan(change: RequestedChange, options: PlanOptions): Planned | Answer {
  const { planned } = options;
  const target = readTarget(change, options.hasStreamMode);
  if ('status' in target) return target;
  const result = prepare(change, target, options);
  if ('status' in result) return result;
  const { key, prepared } = result;
  if (planned.isPlanned(key)) return refusal(400, `${key} is changed twice`);
  const conflict = refuseChanged(change, key, options);
  if (conflict !== undefined) return conflict;
  if (prepared === undefined) planned.delete(key);
  else planned.put(key, prepared.value);
  return result;
}

function readTarget(change: RequestedChange, hasStreamMode: boolean): ResourceTarget | Answer {
  const { method, path, body } = change;
  const segments = path.split('/').filter((segment) => segment !== '');
  const address = readResourcePath(segments);
  const isSub = address.parent !== undefined;
  const { kind } = address;
  const isSubKind = kind === 'credentials' || kind === 'graphql_cost_decorations';
  const resource = isSub === isSubKind ? findResource(kind) : undefined;
  if (resource === undefined) return refusal(404, `Unsupported resource type: ${kind}`);
  if (kind === 'stream_routes' && !hasStreamMode) {
    return refusal(400, 'stream mode is disabled, can not add stream routes');
  }
  if (resource.unsupported.includes(method)) {
    const label = RESOURCE_SINGULAR[resource.kind];
    return refusal(405, `not supported \`${method}\` method for ${label}`);
  }
  if (method !== 'PATCH' && address.subPath !== '') {
    return refusal(400, `a ${method} is for a whole object, not for /${address.subPath} of it`);
  }
  return { ...address, method, resource, body };
}

function prepare(
  change: RequestedChange,
  target: ResourceTarget,
  { planned, preparer }: PlanOptions,
): Planned | Answer {
  const { resource, id, dir, method } = target;
  if (method === 'PUT') {
    const result = preparer.prepareNew(target, true);
    if (!result.ok) return result.answer;
    const { prepared } = result;
    const key = String(prepared.key);
    if (resource.idSource === 'name') prepared.value['id'] = prepared.id;
    else stampWrite(prepared.value, planned.before(key)?.value);
    return { change, target, prepared, key };
  }
  if (method === 'PATCH') {
    const unfit = refusePatch(target);
    if (unfit !== undefined) return unfit;
  }
  if (id === undefined) return refusal(400, missingId(resource));
  const old = isId(resource, id) ? planned.before(`${dir}/${id}`) : undefined;
  if (old === undefined) return KEY_NOT_FOUND;
  if (method === 'DELETE') return { change, target, prepared: undefined, key: old.key };
  planned.guard(old.key);
  const result = preparer.preparePatch(target, old);
  if (!result.ok) return result.answer;
  return { change, target, prepared: result.prepared, key: old.key };
}

/** What `if_revision` finds: of the change, or of the whole transaction. */
function refuseChanged(
  { ifRevision }: RequestedChange,
  key: string,
  { planned, unchangedSince }: PlanOptions,
): Answer | undefined {
  const now = planned.before(key)?.modifiedIndex ?? 0;
  if (ifRevision === undefined && unchangedSince === undefined) return undefined;
  planned.guard(key);
  const expected = ifRevision ?? unchangedSince?.get(key)?.modifiedIndex ?? 0;
  const says = (revision: number) =>
    revision === 0 ? 'is not there' : `is at revision ${revision}`;
  if (now === expected) return undefined;
  const then = expected === 0 ? 'should not be there' : `should be at revision ${expected}`;
  return refusal(409, `${key} ${says(now)}, but ${then}`);
}

function ownedBy(allowed: readonly Planned[], planned: PlannedStore): Set<string> {
  const prefixes = new Set<string>();
  for (const { target, prepared, key } of allowed) {
    const { resource } = target;
    const id = prepared?.id ?? target.id;
    if (resource.ownedPrefix === undefined || id === undefined) continue;
    const isNew = prepared !== undefined && planned.before(key) === undefined;
    if (prepared === undefined || (isNew && resource.reclaimsOwned)) {
      prefixes.add(resource.ownedPrefix(id));
    }
  }
  return prefixes;
}

async function refuseReferences(
  { change, target, prepared }: Planned,
  planned: PlannedStore,
  preparer: WritePreparer,
): Promise<Answer | undefined> {
  if (prepared !== undefined) return preparer.refuseReferences(target, prepared, planned);
  if (change.force) return undefined;
  const refused = await target.resource.refuseDelete?.(planned, String(target.id));
  return refused === undefined ? undefined : refusal(400, refused);
}

function toFault({ index, method, path }: RequestedChange, { status, body }: Answer): Fault {
  const said = isJsonObject(body) ? (body['error_msg'] ?? body['message']) : undefined;
  return { index, method, path, status, error_msg: String(said) };
}
