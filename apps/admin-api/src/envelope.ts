import type { DeleteResult, StoredItem, WriteResult } from '@polygate/config-store';
import type { Answer, Written } from './answer.ts';

export type WriteAction = 'set' | 'create' | 'compareAndSwap';

/**
 * How answers about stored objects look. `v3` names the object at the top level; `v2` (any other
 * `admin_api_version`) wraps it in `action` and `node` as etcd's first API did. Keys carry the
 * store's prefix. Source: apisix/admin/v3_adapter.lua and core/etcd.lua.
 */
export interface Envelope {
  readonly version: 'v3' | 'v2';
  one(item: StoredItem): Answer;
  /** `total` counts the objects before paging. */
  list(dir: string, items: readonly StoredItem[], total: number): Answer;
  written(action: WriteAction, status: number, result: WriteResult): Answer;
  deleted(key: string, result: DeleteResult): Answer;
}

export function makeEnvelope(apiVersion: 'v3' | 'v2', prefix: string): Envelope {
  return apiVersion === 'v3' ? v3(prefix) : v2(prefix);
}

function v3(prefix: string): Envelope {
  const node = nodeOf(prefix);
  return {
    version: 'v3',
    one: (item) => ({ status: 200, body: node(item) }),
    list: (_dir, items, total) => ({ status: 200, body: { total, list: items.map(node) } }),
    written: (_action, status, result) => ({
      status,
      body: { key: prefix + result.item.key, value: result.item.value },
      written: [writtenBy(result)],
    }),
    deleted: (key, result) => ({
      status: 200,
      body: { key: prefix + key, deleted: '1' },
      written: [deletedBy(key, result)],
    }),
  };
}

function v2(prefix: string): Envelope {
  const node = nodeOf(prefix);
  const short = (item: StoredItem) => ({ key: prefix + item.key, value: item.value });
  return {
    version: 'v2',
    one: (item) => ({ status: 200, body: { action: 'get', node: short(item) } }),
    list: (dir, items) => ({
      status: 200,
      body: { action: 'get', node: { key: prefix + dir, dir: true, nodes: items.map(node) } },
    }),
    written: (action, status, result) => ({
      status,
      body: { action, node: short(result.item) },
      written: [writtenBy(result)],
    }),
    deleted: (key, result) => ({
      status: 200,
      body: { action: 'delete', deleted: '1', key: prefix + key, node: {} },
      written: [deletedBy(key, result)],
    }),
  };
}

function nodeOf(prefix: string): (item: StoredItem) => object {
  return (item) => ({
    key: prefix + item.key,
    value: item.value,
    createdIndex: item.createdIndex,
    modifiedIndex: item.modifiedIndex,
  });
}

function writtenBy({ item, previousIndex }: WriteResult): Written {
  return { key: item.key, revision: item.modifiedIndex, previousRevision: previousIndex };
}

function deletedBy(key: string, { revision, previousIndex }: DeleteResult): Written {
  return { key, revision, previousRevision: previousIndex };
}
