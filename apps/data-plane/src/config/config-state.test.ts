import type { StoredItem } from '@polygate/config-store';
import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';
import { memoryLog } from '@polygate/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { ConfigState } from './config-state.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
const route = { uri: '/a', upstream };

const item = (key: string, value: unknown, modifiedIndex: number): StoredItem => ({
  key,
  value,
  createdIndex: 1,
  modifiedIndex,
});
const corrupt = (key: string, modifiedIndex: number): StoredItem => ({
  ...item(key, undefined, modifiedIndex),
  invalid: 'not JSON: Unexpected end of JSON input',
});

describe('ConfigState', () => {
  let log: ReturnType<typeof memoryLog>;
  let state: ConfigState;
  beforeEach(() => {
    log = memoryLog();
    state = new ConfigState(PLUGIN_DEFINITIONS, log);
  });
  const put = (...items: StoredItem[]): ReturnType<ConfigState['apply']> =>
    state.apply({
      kind: 'changes',
      revision: items.at(-1)?.modifiedIndex ?? 0,
      changes: items.map((one) => ({ kind: 'put', item: one })),
    });
  const logged = (level: string): string[] => log.lines.filter((line) => line.startsWith(level));

  test('keeps the last good version of a value that is no JSON, and says key and reason', () => {
    state.apply({ kind: 'resync', revision: 5, items: [item('/routes/1', route, 5)] });
    expect(put(corrupt('/routes/1', 6))).toMatchObject({ revision: 6, puts: [], deletes: [] });
    expect(state.full().puts).toMatchObject([{ id: '1', modifiedIndex: 5 }]);
    expect(state.rejected).toMatchObject([
      { key: '/routes/1', revision: 6, keepsOlderVersion: true },
    ]);
    expect(logged('error').join()).toMatch(
      /\/routes\/1 of revision 6: not JSON.*last good version stays/,
    );
  });

  test('keeps the last good version over a resync, too', () => {
    state.apply({ kind: 'resync', revision: 5, items: [item('/routes/1', route, 5)] });
    const update = state.apply({ kind: 'resync', revision: 9, items: [corrupt('/routes/1', 8)] });
    expect(update.puts).toMatchObject([{ id: '1', modifiedIndex: 5 }]);
  });

  test('leaves out what was never good, until a good version comes', () => {
    put(item('/routes/1', { uri: 7 }, 2));
    expect(state.full().puts).toEqual([]);
    expect(put(item('/routes/1', route, 3)).puts).toHaveLength(1);
    expect(state.rejected).toEqual([]);
  });

  test('takes IPv6 hosts without brackets, which the Admin API refuses', () => {
    const nodes = [{ host: '::1', port: 1980, weight: 1 }];
    put(item('/upstreams/1', { type: 'roundrobin', nodes }, 2));
    put(item('/routes/1', { uri: '/a', upstream: { nodes } }, 3));
    expect(state.full().puts).toHaveLength(2);
  });

  test('forgets a deleted item and what was wrong with it', () => {
    put(item('/routes/1', route, 2), item('/routes/1', { uri: 7 }, 3));
    const update = state.apply({
      kind: 'changes',
      revision: 4,
      changes: [{ kind: 'delete', key: '/routes/1', revision: 4 }],
    });
    expect(update.deletes).toEqual([{ kind: 'routes', id: '1' }]);
    expect([state.full().puts, state.rejected]).toEqual([[], []]);
  });

  test('logs a rejected version once, however often it is seen', () => {
    put(item('/routes/1', { uri: 7 }, 2));
    state.apply({ kind: 'resync', revision: 3, items: [item('/routes/1', { uri: 7 }, 2)] });
    expect(logged('error')).toHaveLength(1);
  });

  test('validates anew when the plugins change, and warns once of each that is off', () => {
    const plugins = { 'key-auth': {}, unheard: { a: 1 } };
    put(item('/routes/1', { ...route, plugins }, 2), item('/routes/2', { ...route, plugins }, 3));
    expect(logged('warn')).toEqual([expect.stringContaining('[unheard]')]);
    state.selectPlugins(new Map());
    expect(logged('warn').join()).toContain('[key-auth]');
  });

  test('knows a credential by its consumer and its id', () => {
    const plugins = { 'key-auth': { key: 'k' } };
    const key = '/consumers/jack/credentials/a';
    const credential = { kind: 'credentials', id: 'jack/credentials/a' };
    expect(put(item(key, { id: 'a', plugins }, 2)).puts).toMatchObject([credential]);
    const changes = [{ kind: 'delete', key, revision: 3 }] as const;
    expect(state.apply({ kind: 'changes', revision: 3, changes }).deletes).toEqual([credential]);
    const odd = ['/consumers/jack/credentials', '/consumers/jack/credentials/', `${key}/b`];
    expect(put(...odd.map((one) => item(one, { plugins }, 4))).puts).toEqual([]);
  });

  test('knows a cost decoration by its service and its id', () => {
    const key = '/services/shop/graphql_cost_decorations/a';
    const decoration = { kind: 'graphql_cost_decorations', id: 'shop/graphql_cost_decorations/a' };
    const value = { id: 'a', service_id: 'shop', field_path: 'Query.a' };
    expect(put(item(key, value, 2)).puts).toMatchObject([decoration]);
    const odd = ['/graphql_cost_decorations/a', '/consumers/jack/graphql_cost_decorations/a'];
    expect(put(...odd.map((one) => item(one, value, 3))).puts).toEqual([]);
  });

  test('refuses a credential of a plugin that authenticates nobody', () => {
    put(item('/consumers/jack/credentials/a', { plugins: { echo: { body: 'x' } } }, 2));
    expect(state.rejected).toMatchObject([
      { reason: 'only supports auth type plugins in consumer credential' },
    ]);
  });

  test('leaves kinds alone that the workers have no use for', () => {
    for (const key of ['/secrets/1', '/stream_routes/1', '/credentials/1']) {
      expect(put(item(key, { no: 'such field' }, 2)).puts).toEqual([]);
    }
    expect(state.rejected).toEqual([]);
  });

  test('does not know keys of other kinds', () => {
    expect(put(item('/else/1', {}, 2), item('/routes/1/more', {}, 3)).puts).toEqual([]);
  });
});
