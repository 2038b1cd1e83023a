import { definePlugin } from '@polygate/plugin-sdk';
import type { Plugin } from '@polygate/plugin-sdk';
import {
  memoryExternalPlugins,
  memoryLog,
  memoryMetrics,
  memoryNode,
  memorySettings,
  memorySharedState,
} from '@polygate/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RouteRequest } from '../routing/route-request.ts';
import type { ConfigItem, ConfigUpdate } from './config-item.ts';
import type { CompiledRoute } from './config-snapshot.ts';
import { SnapshotBuilder } from './snapshot-builder.ts';

interface TrackedConf {
  readonly value: string;
}

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:80': 1 } };

/** Says what was prepared and disposed of; refuses the value `bad`. */
function trackedPlugin(events: string[]): Plugin {
  const definition = { name: 'tracked', version: 1, priority: 1, schema: { type: 'object' } };
  return definePlugin<TrackedConf, string>(definition, {
    prepare({ value }, { source }) {
      if (value === 'bad') throw new Error('bad value');
      events.push(`prepare ${value} of ${source.kind}/${source.id}@${source.modifiedIndex}`);
      return value;
    },
    dispose: (value) => void events.push(`dispose ${value}`),
    access: () => undefined,
  }) as Plugin;
}

describe('SnapshotBuilder', () => {
  let events: string[];
  let builder: SnapshotBuilder;
  let revision: number;
  let plugins: ReadonlyMap<string, Plugin>;

  beforeEach(() => {
    events = [];
    revision = 0;
    plugins = new Map([['tracked', trackedPlugin(events)]]);
    const log = memoryLog();
    builder = new SnapshotBuilder({
      routerMode: 'radixtree_host_uri',
      log,
      environment: {
        shared: memorySharedState(() => 0),
        sharedCache: () => undefined,
        settings: memorySettings(),
        metrics: memoryMetrics(),
        external: memoryExternalPlugins(),
        httpsPorts: [],
        node: memoryNode(),
        logFor: () => log,
      },
    });
    build({ plugins: { generation: 1, names: ['tracked'], attr: {} } }, plugins);
  });

  function build(
    update: Partial<ConfigUpdate>,
    selected?: ReadonlyMap<string, Plugin>,
  ): ReturnType<SnapshotBuilder['build']> {
    revision++;
    const full = { revision, reset: false, puts: [], deletes: [], ...update };
    const built = builder.build(full, selected);
    for (const dispose of built.disposals) dispose();
    return built;
  }
  const item = (kind: ConfigItem['kind'], id: string, value: object): ConfigItem => ({
    kind,
    id,
    value,
    createdIndex: revision + 1,
    modifiedIndex: revision + 1,
  });
  const route = (id: string, more: object): ConfigItem =>
    item('routes', id, { uri: `/${id}`, upstream, ...more });
  const tracked = (value: string): object => ({ plugins: { tracked: { value } } });
  const request = (path: string): RouteRequest => ({
    method: 'GET',
    host: 'a',
    path,
    clientAddress: '127.0.0.1',
    vars: { get: () => undefined },
  });
  const matched = (
    { snapshot }: ReturnType<SnapshotBuilder['build']>,
    path: string,
  ): CompiledRoute | undefined => snapshot.match(request(path))?.target;

  test('prepares a conf once, whatever number of routes share it, and only when it changes', () => {
    build({ puts: [item('services', 's', tracked('one'))] });
    build({ puts: [route('a', { service_id: 's' }), route('b', { service_id: 's' })] });
    build({ puts: [route('c', { service_id: 's' })] });
    expect(events).toEqual(['prepare one of service/s@2']);
  });

  test('disposes of what a change left behind, and of nothing else', () => {
    build({ puts: [route('a', tracked('one')), route('b', tracked('two'))] });
    build({ puts: [route('a', tracked('three'))] });
    expect(events.slice(2)).toEqual(['prepare three of route/a@3', 'dispose one']);
    build({ deletes: [{ kind: 'routes', id: 'b' }] });
    expect(events.at(-1)).toBe('dispose two');
  });

  test('keeps a route whose newer version cannot be prepared, and says so', () => {
    build({ puts: [route('a', tracked('one'))] });
    const built = build({ puts: [route('a', tracked('bad')), route('b', tracked('two'))] });
    expect(built.failures).toEqual([
      { kind: 'routes', id: 'a', reason: 'bad value', keepsOlderVersion: true },
    ]);
    expect(matched(built, '/a')?.chain.plugins[0]?.prepared).toBe('one');
    expect(matched(built, '/b')?.chain.plugins[0]?.prepared).toBe('two');
    expect(events).not.toContain('dispose one');
    const healed = build({ puts: [route('a', tracked('three'))] });
    expect(healed.failures).toEqual([]);
    expect(events).toContain('dispose one');
  });

  test('leaves a route out that could never be prepared', () => {
    const built = build({ puts: [route('a', tracked('bad'))] });
    expect(matched(built, '/a')).toBeUndefined();
    expect(built.failures).toMatchObject([{ id: 'a', keepsOlderVersion: false }]);
  });

  test('a route has one upstream for all its requests, its own or that of its service', () => {
    const other = { type: 'roundrobin', nodes: { '127.0.0.1:81': 1 } };
    const of = (built: ReturnType<typeof build>, path: string) => {
      const found = matched(built, path)?.upstream;
      expect(matched(built, path)?.upstream).toBe(found);
      return found?.nodes.map(({ label }) => label);
    };
    const built = build({
      puts: [
        item('services', 's', { upstream: other }),
        route('own', { service_id: 's' }),
        item('routes', 'served', { uri: '/served', service_id: 's' }),
        item('routes', 'none', { uri: '/none' }),
      ],
    });
    expect(of(built, '/own')).toEqual(['127.0.0.1:80']);
    expect(of(built, '/served')).toEqual(['127.0.0.1:81']);
    expect(of(built, '/none')).toBeUndefined();
  });

  test('an older snapshot stays as it was', () => {
    const before = build({ puts: [route('a', tracked('one'))] });
    const after = build({ deletes: [{ kind: 'routes', id: 'a' }] });
    expect(matched(before, '/a')?.id).toBe('a');
    expect(matched(after, '/a')).toBeUndefined();
  });

  test('a reset keeps what did not change and forgets what is gone', () => {
    const kept = route('a', tracked('one'));
    build({ puts: [kept, route('b', tracked('two'))] });
    const built = build({ reset: true, puts: [structuredClone(kept)] });
    expect(matched(built, '/a')?.id).toBe('a');
    expect(matched(built, '/b')).toBeUndefined();
    expect(events.slice(2)).toEqual(['dispose two']);
  });

  test('another plugin set prepares everything anew and disposes of the old', () => {
    build({ puts: [route('a', tracked('one'))] });
    build({ plugins: { generation: 2, names: [], attr: {} } }, new Map());
    expect(events.slice(1)).toEqual(['dispose one']);
    build({ plugins: { generation: 3, names: ['tracked'], attr: {} } }, plugins);
    expect(events.slice(2)).toEqual(['prepare one of route/a@2']);
  });

  test('changed plugin metadata prepares everything anew', () => {
    build({ puts: [route('a', tracked('one'))] });
    build({ puts: [item('plugin_metadata', 'tracked', { x: 1 })] });
    expect(events).toEqual(['prepare one of route/a@2', 'prepare one of route/a@2', 'dispose one']);
  });

  test('a disabled conf is not prepared', () => {
    const disabled = { plugins: { tracked: { value: 'one', _meta: { disable: true } } } };
    const built = build({ puts: [route('a', disabled)] });
    expect([events, matched(built, '/a')?.chain.plugins]).toEqual([[], []]);
  });
});
