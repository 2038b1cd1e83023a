import type { Plugin, PluginDefinition } from '@polygate/plugin-sdk';
import { FakeClock, memorySharedState, mountPlugin, validConf } from '@polygate/testing';
import type { MemoryContext } from '@polygate/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import limitConn from '../limit-conn/limit-conn.ts';
import limitCount from '../limit-count/limit-count.ts';
import plugin from './workflow.ts';

const plugins = new Map<string, Plugin>(
  [limitCount, limitConn].map((one) => [one.definition.name, one as unknown as Plugin]),
);
const definitions = new Map<string, PluginDefinition>(
  [...plugins].map(([name, { definition }]) => [name, definition]),
);
const conf = (rules: unknown) => validConf(plugin.definition, { rules }, definitions);

let shared: ReturnType<typeof memorySharedState>;
beforeEach(() => {
  shared = memorySharedState(new FakeClock(1_000_000).now);
});
const mount = (rules: unknown, env: object = {}) =>
  mountPlugin(plugin, conf(rules), { shared, plugins, ...env });
const at = (path: string) => [['uri', '==', path]];
const get = (target: string) => ({ target });

describe('workflow', () => {
  test('answers with the code of the first rule whose case holds', async () => {
    const mounted = mount([
      { case: at('/a'), actions: [['return', { code: 403 }]] },
      { case: ['OR', ...at('/a'), ...at('/b')], actions: [['return', { code: 402 }]] },
    ]);
    const a = await mounted.request(get('/a'));
    expect([a.status, a.text]).toEqual([403, '{"error_msg":"rejected by workflow"}\n']);
    expect((await mounted.request(get('/b'))).status).toBe(402);
    expect((await mounted.request(get('/c'))).status).toBe(200);
  });

  test('a rule without a case always applies', async () => {
    const run = await mount([{ actions: [['return', { code: 410 }]] }]).request();
    expect(run.status).toBe(410);
  });

  test('counts for each rule apart, and keeps the plugin itself from counting', async () => {
    const limit = ['limit-count', { count: 1, time_window: 60, rejected_code: 429 }];
    const mounted = mount([
      { case: at('/a'), actions: [limit] },
      { case: at('/b'), actions: [limit] },
    ]);
    const statuses: number[] = [];
    for (const path of ['/a', '/b', '/a', '/b', '/c', '/c']) {
      const { status, ctx } = await mounted.request(get(path));
      statuses.push(status);
      const skipped = [...(ctx as MemoryContext).skippedPlugins];
      expect(skipped).toEqual(path === '/c' ? [] : ['limit-count']);
    }
    expect(statuses).toEqual([200, 200, 429, 429, 200, 200]);
  });

  test('names headers as the metadata of limit-count says', async () => {
    const limit = ['limit-count', { count: 9, time_window: 60 }];
    const metadataOf = (name: string) => ({ limit_header: `X-Of-${name}` });
    const run = await mount([{ actions: [limit] }], { metadataOf }).request();
    expect(run.headers.get('X-Of-limit-count')).toBe('9');
  });

  test('gives the places of limit-conn back', async () => {
    const places = { conn: 1, burst: 0, default_conn_delay: 0.001, key: 'remote_addr' };
    const mounted = mount([{ actions: [['limit-conn', places]] }]);
    for (let round = 0; round < 3; round++) {
      const pair = await Promise.all([mounted.request(), mounted.request()]);
      expect(pair.map(({ status }) => status)).toEqual([200, 503]);
    }
  });
});

describe('workflow refuses', () => {
  const limit = (more: object) => [{ actions: [['limit-count', more]] }];
  test.each([
    ['no rules', undefined, 'property "rules" is required'],
    ['a rule without actions', [{ case: at('/') }], 'property "actions" is required'],
    [
      'an empty action',
      [{ actions: [[]] }],
      'failed to validate item 1: expect array to have at least 1 items',
    ],
    [
      'a code that is no number',
      [{ actions: [['return', { code: '403' }]] }],
      /^failed to validate the 'return' action: property "code" .*: expected integer, got string$/,
    ],
    [
      'an action without conf',
      [{ actions: [['return']] }],
      `failed to validate the 'return' action: property "code" is required`,
    ],
    ['an unknown action', [{ actions: [['fake', {}]] }], 'unsupported action: fake'],
    [
      'a broken case',
      [{ case: [['uri', '~~', '(']], actions: [['return', { code: 403 }]] }],
      `failed to validate the 'case' expression: `,
    ],
    [
      'a limit without a window',
      limit({ count: 2 }),
      /^failed to validate the 'limit-count' action: value should match only one schema/,
    ],
    [
      'a group',
      limit({ count: 2, time_window: 60, group: 'g' }),
      `failed to validate the 'limit-count' action: group is not supported`,
    ],
    [
      'a limit and rules',
      limit({ count: 2, time_window: 60, rules: [{ count: 1, time_window: 1, key: '$uri' }] }),
      "failed to validate the 'limit-count' action: " +
        'count/time_window and rules cannot be specified at the same time',
    ],
  ])('%s', (_what, rules, message) => {
    expect(() => conf(rules)).toThrow(message);
  });
});
