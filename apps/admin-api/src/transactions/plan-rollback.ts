import { isDeepStrictEqual } from 'node:util';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Operation, StoredItem } from '@polygate/config-store';
import { isJsonObject } from '../json-object.ts';
import type { WritePreparer } from '../writes/prepare-write.ts';
import { findResource } from '../resources/resources.ts';
import { readResourcePath } from '../routes/resource-path.ts';
import type { Fault } from './plan-transaction.ts';
import type { PlannedStore } from './planned-store.ts';

export interface RollbackPlan {
  /** In the store's own form: what is encrypted stays so. */
  readonly operations: readonly Operation[];
  readonly faults: readonly Fault[];
}

export interface RollbackOptions {
  readonly planned: PlannedStore;
  readonly preparer: WritePreparer;
  /** As stored: now, and at the revision to go back to. */
  readonly now: readonly StoredItem[];
  readonly then: readonly StoredItem[];
  /** The latter with plugin confs in clear. */
  readonly clear: ReadonlyMap<string, StoredItem>;
  /** Take it although it breaks rules of today. */
  readonly force: boolean;
}

const BATCH = 50;

/**
 * What makes the objects again what they were. Of what else is in the store nothing changes: the list
 * of plugins is that of the configuration file.
 */
export async function planRollback(options: RollbackOptions): Promise<RollbackPlan> {
  const { planned, now, then, clear } = options;
  const present = new Map(now.map((item) => [item.key, item]));
  const former = new Set(then.map(({ key }) => key));
  const operations: Operation[] = [];
  const puts: { readonly key: string; readonly value: unknown }[] = [];
  for (const { key, value, invalid } of then) {
    const isSame = isDeepStrictEqual(present.get(key)?.value, value);
    if (invalid !== undefined || isSame || targetOf(key) === undefined) continue;
    operations.push({ kind: 'put', key, value });
    const shown = clear.get(key)?.value;
    planned.put(key, shown);
    puts.push({ key, value: shown });
  }
  for (const key of present.keys()) {
    if (former.has(key) || targetOf(key) === undefined) continue;
    operations.push({ kind: 'delete', key });
    planned.delete(key);
  }
  const faults = options.force ? [] : await findFaults(puts, options);
  return { operations, faults };
}

async function findFaults(
  puts: readonly { readonly key: string; readonly value: unknown }[],
  { planned, preparer }: RollbackOptions,
): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const [index, { key, value }] of puts.entries()) {
    if (index % BATCH === 0) await nextTurn();
    const target = targetOf(key);
    if (target === undefined) continue;
    const { resource, id } = target;
    const refuse = (status: number, error_msg: string) =>
      faults.push({ index, method: 'PUT', path: key, status, error_msg });
    if (!isJsonObject(value)) {
      refuse(400, 'invalid configuration');
      continue;
    }
    const invalid = preparer.refuseInvalid(resource, id, structuredClone(value));
    if (invalid !== undefined) {
      refuse(400, invalid);
      continue;
    }
    const answer = await preparer.refuseReferences(target, { id, value }, planned);
    const said = isJsonObject(answer?.body) ? answer.body['error_msg'] : undefined;
    if (answer !== undefined) refuse(answer.status, String(said));
  }
  return faults;
}

/** Of a key; undefined for what is no object of the Admin API. */
function targetOf(key: string) {
  const address = readResourcePath(key.split('/').slice(1));
  const resource = findResource(address.kind);
  if (resource === undefined || address.id === undefined || address.subPath !== '')
    return undefined;
  return { ...address, resource };
}
