import assert from 'node:assert';
import type { StoredItem } from './config-store.ts';

/** An item as its store keeps it: the value is JSON text, or should be. */
export interface RawItem {
  readonly key: string;
  readonly text: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
}

/** Parses the text; one that is no JSON gives an item with `invalid`, never an error. */
export function parseItem({ key, text, createdIndex, modifiedIndex }: RawItem): StoredItem {
  try {
    return { key, value: JSON.parse(text), createdIndex, modifiedIndex };
  } catch (error) {
    const invalid = `not JSON: ${(error as Error).message}`;
    return { key, value: undefined, invalid, createdIndex, modifiedIndex };
  }
}

/** JSON text of a value; what JSON cannot say (undefined, a function) is a bug of the caller. */
export function encodeValue(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  assert(text !== undefined, 'the value has no JSON form');
  return text;
}

/** Oldest first; items of one revision by key, so that the order is the same everywhere. */
export function byCreatedIndex(a: StoredItem, b: StoredItem): number {
  if (a.createdIndex !== b.createdIndex) return a.createdIndex - b.createdIndex;
  if (a.key === b.key) return 0;
  return a.key < b.key ? -1 : 1;
}

/** The id of a POST: 20 digits, as apisix/core/etcd.lua `push` makes it from a revision. */
export function idOfRevision(revision: number): string {
  return String(revision).padStart(20, '0');
}

/** What `push` stores: APISIX sets `id` in the value itself. */
export function withId(value: unknown, id: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return { ...value, id };
}

/**
 * Keys that are no items: APISIX writes `<kind>/` with `init_dir` at its start
 * (apisix/cli/etcd.lua), and `gen_id` on each POST only to get a new revision
 * (apisix/core/etcd.lua).
 */
export function isBookkeeping(key: string): boolean {
  return key.endsWith('/') || key === GEN_ID_KEY;
}

export const GEN_ID_KEY = '/gen_id';

export function assertKey(key: string): void {
  assert(key.startsWith('/') && !key.endsWith('/'), `not the key of an item: ${key}`);
}

export function assertPrefix(prefix: string): void {
  assert(prefix.startsWith('/') && prefix.endsWith('/'), `not a prefix: ${prefix}`);
}
