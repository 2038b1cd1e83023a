import type { StoredItem } from '@polygate/config-store';
import { createLogger } from '@polygate/chassis';
import { expect, test } from 'vitest';
import { pluginNamesOf } from './plugin-selection.ts';

const lines: string[] = [];
const stream = { write: (line: string): boolean => lines.push(line) > 0 };
const log = createLogger({ level: 'info', format: 'text', service: 'test', stream });

function read(value: unknown) {
  lines.length = 0;
  const item: StoredItem = { key: '/plugins', value, createdIndex: 1, modifiedIndex: 1 };
  return pluginNamesOf({ kind: 'resync', revision: 1, items: [item] }, log);
}

test('the names are those of plugins for HTTP', () => {
  expect(read([{ name: 'echo' }, { name: 'mqtt-proxy', stream: true }])).toEqual(['echo']);
  expect(read([])).toEqual([]);
});

test.each([
  { name: 'echo' },
  'echo',
  null,
  [{ name: 'echo' }, 'echo'],
  [{ name: 7 }],
  [{ name: '' }],
  [{ name: 'echo', stream: 'yes' }],
])('a list that breaks a rule selects nothing, and the log says so: %j', (value) => {
  expect(read(value)).toBeUndefined();
  expect(lines.join()).toContain('failed to check item data of [plugins]');
});

test('without a list nothing is said', () => {
  lines.length = 0;
  expect(pluginNamesOf({ kind: 'resync', revision: 1, items: [] }, log)).toBeUndefined();
  expect(lines).toEqual([]);
});
