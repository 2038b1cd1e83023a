import { Buffer } from 'node:buffer';
import type { ICompare, IRequestOp, ITxnRequest } from 'etcd3';
import type { Guards, Operation } from '../config-store.ts';
import { StoreError } from '../errors.ts';
import { assertKey, encodeValue } from '../stored-item.ts';

/** How the store spells keys. */
export interface EtcdKeys {
  bytes(key: string): Buffer;
  range(prefix: string): { readonly start: Buffer; readonly end: Buffer };
}

/** etcd's `--max-txn-ops`, unless it was started with another. */
const TXN_OPS_MAX = 128;

/**
 * One request that does all operations, or nothing where a guard does not hold. etcd counts what one
 * level of a transaction has, and takes it off what the levels below may have (checkTxnRequest in
 * etcdserver/api/v3rpc/key.go): in three levels tens of thousands of operations fit, still as one
 * transaction of one revision. Guards have to stand in the first level, where all of them decide.
 * Throws StoreError TOO_MANY.
 */
export function toTxnRequest(
  operations: readonly Operation[],
  guards: Guards,
  keys: EtcdKeys,
): ITxnRequest {
  const compare = toCompares(guards, keys);
  const success = operations.map((operation) => toRequestOp(operation, keys));
  const packed = nest(success, TXN_OPS_MAX, compare.length);
  if (packed === undefined) {
    throw new StoreError(
      'TOO_MANY',
      `etcd: ${operations.length} operations that depend on ${compare.length} others are more ` +
        `than one transaction takes (--max-txn-ops, ${TXN_OPS_MAX} by default)`,
    );
  }
  return { compare, success: packed };
}

function toCompares({ items, unwritten }: Guards, keys: EtcdKeys): ICompare[] {
  const compares: ICompare[] = [];
  for (const [key, modifiedIndex] of items ?? []) {
    assertKey(key);
    compares.push({
      key: keys.bytes(key),
      target: 'Mod',
      result: 'Equal',
      mod_revision: modifiedIndex,
    });
  }
  for (const prefix of unwritten?.prefixes ?? []) {
    const { start, end } = keys.range(prefix);
    // holds for every key of the range, and for none
    const mod_revision = (unwritten?.since ?? 0) + 1;
    compares.push({ key: start, range_end: end, target: 'Mod', result: 'Less', mod_revision });
  }
  return compares;
}

function toRequestOp(operation: Operation, keys: EtcdKeys): IRequestOp {
  switch (operation.kind) {
    case 'put': {
      assertKey(operation.key);
      const value = Buffer.from(encodeValue(operation.value));
      return { request_put: { key: keys.bytes(operation.key), value } };
    }
    case 'delete':
      assertKey(operation.key);
      return { request_delete_range: { key: keys.bytes(operation.key) } };
    case 'deleteBelow': {
      const { start, end } = keys.range(operation.prefix);
      return { request_delete_range: { key: start, range_end: end } };
    }
  }
}

/** `budget`: how many this level and those below may count together; undefined: they do not fit. */
function nest(
  operations: readonly IRequestOp[],
  budget: number,
  compares: number,
): IRequestOp[] | undefined {
  if (compares > budget) return undefined;
  if (operations.length <= budget) return [...operations];
  const left = Math.floor(budget / 2);
  const groups = Math.min(left, budget - compares);
  const below = budget - Math.max(groups, compares);
  if (groups < 1 || below < 2) return undefined;
  const perGroup = Math.ceil(operations.length / groups);
  const packed: IRequestOp[] = [];
  for (let from = 0; from < operations.length; from += perGroup) {
    const success = nest(operations.slice(from, from + perGroup), below, 0);
    if (success === undefined) return undefined;
    packed.push({ request_txn: { success } });
  }
  return packed;
}
