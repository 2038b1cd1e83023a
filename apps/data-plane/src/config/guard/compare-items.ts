import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { StoredItem } from '@polygate/config-store';
import type { KnownItems } from './known-items.ts';

/** An item that the store and we do not agree on; `known` is ours. */
export interface Difference {
  readonly key: string;
  readonly known: StoredItem | undefined;
}

/** Items compared in one turn of the event loop: about a millisecond. */
const SLICE_ITEMS = 200;

/**
 * What differs from a list of the whole store at a revision. What we know of later revisions is no
 * difference; what was deleted meanwhile looks like one, so a difference has to be looked at twice.
 */
export async function findDifferences(
  listed: readonly StoredItem[],
  revision: number,
  known: KnownItems,
): Promise<Difference[]> {
  const differences: Difference[] = [];
  const keys = new Set<string>();
  let compared = 0;
  for (const item of listed) {
    keys.add(item.key);
    const ours = known.get(item.key);
    if (!isSame(ours, item) && (ours?.modifiedIndex ?? 0) <= revision) {
      differences.push({ key: item.key, known: ours });
    }
    if (++compared % SLICE_ITEMS === 0) await nextTurn();
  }
  for (const ours of known.values()) {
    if (!keys.has(ours.key) && ours.modifiedIndex <= revision) {
      differences.push({ key: ours.key, known: ours });
    }
    if (++compared % SLICE_ITEMS === 0) await nextTurn();
  }
  return differences;
}

/** The value counts, too: a store that was restored may have other values of the same revision. */
export function isSame(a: StoredItem | undefined, b: StoredItem | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.modifiedIndex === b.modifiedIndex &&
    a.createdIndex === b.createdIndex &&
    a.invalid === b.invalid &&
    isDeepStrictEqual(a.value, b.value)
  );
}
