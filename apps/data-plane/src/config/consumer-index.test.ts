import type { PluginDefinition } from '@polygate/plugin-sdk';
import { describe, expect, test } from 'vitest';
import { buildConsumerIndex } from './consumer-index.ts';
import { ItemStore } from './item-store.ts';

const auth = { version: 1, priority: 1, type: 'auth', schema: {}, consumerKey: 'key' } as const;
const definitions = new Map<string, PluginDefinition>([
  ['own', { ...auth, name: 'own' }],
  ['shared', { ...auth, name: 'shared', sharesConsumerKeys: true }],
]);

/** Consumers with the key `k`, by when they were created. */
function indexOf(created: Readonly<Record<string, number>>, plugin: string, more: object = {}) {
  const items = new ItemStore();
  const puts = Object.entries(created).map(([username, at]) => ({
    ...{ kind: 'consumers' as const, id: username, createdIndex: at, modifiedIndex: at },
    value: { username, plugins: { [plugin]: { key: 'k', ...more } } },
  }));
  items.apply({ revision: 1, reset: true, puts, deletes: [] });
  return buildConsumerIndex(items, definitions, new WeakMap());
}

describe('the consumer of a key', () => {
  test('is the one created first where two got it', () => {
    expect(indexOf({ rose: 2, jack: 1 }, 'own').findByKey('own', 'k')?.username).toBe('jack');
  });

  test('is the one created last where a plugin lets consumers share keys', () => {
    expect(indexOf({ rose: 2, jack: 1 }, 'shared').findByKey('shared', 'k')?.username).toBe('rose');
  });

  test('is nobody where the plugin is disabled, or is another one', () => {
    const index = indexOf({ jack: 1 }, 'own', { _meta: { disable: true } });
    expect(index.findByKey('own', 'k')).toBeUndefined();
    expect(index.findByKey('shared', 'k')).toBeUndefined();
    expect(index.findByName('jack')?.username).toBe('jack');
  });
});
