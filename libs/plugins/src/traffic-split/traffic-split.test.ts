import type { MemoryContext } from '@polygate/testing';
import { mountPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './traffic-split.ts';
import { countedChoice, weightedChoice } from './weighted-choice.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const inline = (port: number): object => ({
  type: 'roundrobin',
  nodes: { [`127.0.0.1:${port}`]: 1 },
});

/** Where requests went: `id`, the first node, or `route`; or the answer. */
async function targets(raw: object, count: number, request: PluginRequest = {}) {
  const mounted = mountPlugin(plugin, conf(raw));
  const found: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const run = await mounted.request({ upstreams: ['1', '2'], ...request });
    const { chosenUpstream } = run.ctx as MemoryContext;
    const nodes = (chosenUpstream as { nodes?: object } | undefined)?.nodes;
    const target = chosenUpstream?.id ?? (nodes === undefined ? 'route' : Object.keys(nodes)[0]);
    const where = run.reply === undefined ? String(target) : `${run.status} ${run.text}`;
    found[where] = (found[where] ?? 0) + 1;
  }
  return found;
}

describe('traffic-split', () => {
  test('sends each upstream its part of the requests', async () => {
    const rules = [
      {
        weighted_upstreams: [
          { upstream: inline(1981), weight: 2 },
          { upstream_id: 2, weight: 1 },
          { weight: 3 },
          { upstream_id: '1', weight: 0 },
        ],
      },
    ];
    expect(await targets({ rules }, 60)).toEqual({ '127.0.0.1:1981': 20, '2': 10, route: 30 });
  });

  test('goes by the first rule of which one condition holds', async () => {
    const rules = [
      {
        match: [
          {
            vars: [
              ['arg_name', '==', 'jack'],
              ['arg_age', '!', '<', 16],
            ],
          },
          { vars: [['http_release', '==', 'blue']] },
        ],
        weighted_upstreams: [{ upstream: inline(1981) }],
      },
      { match: [{ vars: [['arg_id', '==', '1']] }], weighted_upstreams: [{ upstream_id: 1 }] },
    ];
    expect(await targets({ rules }, 1, { target: '/?name=jack&age=20' })).toEqual({
      '127.0.0.1:1981': 1,
    });
    expect(await targets({ rules }, 1, { headers: { release: 'blue' } })).toEqual({
      '127.0.0.1:1981': 1,
    });
    expect(await targets({ rules }, 1, { target: '/?id=1' })).toEqual({ '1': 1 });
    expect(await targets({ rules }, 1)).toEqual({ route: 1 });
  });

  test('leaves the route its upstream where nothing else is said', async () => {
    expect(await targets({}, 1)).toEqual({ route: 1 });
    expect(await targets({ rules: [] }, 1)).toEqual({ route: 1 });
    expect(await targets({ rules: [{}] }, 1)).toEqual({ route: 1 });
    const zero = [{ weighted_upstreams: [{ upstream_id: 1, weight: 0 }] }];
    expect(await targets({ rules: zero }, 1)).toEqual({ route: 1 });
  });

  test('answers 500 where an upstream is missing, up to the rule that counts', async () => {
    const missing = { weighted_upstreams: [{ upstream_id: 'x' }, { upstream_id: 1 }] };
    const reason = 'failed to fetch upstream info by upstream id: x';
    expect(await targets({ rules: [missing] }, 1)).toEqual({ [`500 ${reason}`]: 1 });
    const never = { ...missing, match: [{ vars: [['arg_a', '==', 'b']] }] };
    expect(await targets({ rules: [never] }, 1)).toEqual({ [`500 ${reason}`]: 1 });
    const first = { weighted_upstreams: [{ upstream_id: 1 }] };
    expect(await targets({ rules: [first, missing] }, 1)).toEqual({ '1': 1 });
  });

  test('asks for the port in the Host of a node with https alone, as APISIX', async () => {
    const asked: unknown[] = [];
    const upstreams = [undefined, 'http', 'https'].map((scheme) => ({
      upstream: { ...inline(1981), ...(scheme !== undefined && { scheme }) },
    }));
    const mounted = mountPlugin(plugin, conf({ rules: [{ weighted_upstreams: upstreams }] }), {
      compileUpstream: (resource, options) => {
        asked.push(options);
        return { ...resource, id: undefined };
      },
    });
    await mounted.request();
    expect(asked).toEqual([
      { hostWithoutPort: true },
      { hostWithoutPort: true },
      { hostWithoutPort: false },
    ]);
  });

  test.each([
    [{ rules: [{ match: [{}] }] }, "failed to validate the 'vars' expression: missing argument"],
    [
      { rules: [{ match: [{ vars: [['a', '=>', 1]] }] }] },
      "failed to validate the 'vars' expression: invalid operator '=>'",
    ],
    [{ rules: [{ weighted_upstreams: [] }] }, 'expect array to have at least 1 items'],
    [{ rules: [{ weighted_upstreams: [{ weight: -1 }] }] }, 'expected -1 to be at least 0'],
    [{ rules: [{ weighted_upstreams: [{ upstream: {} }] }] }, 'value should match only one schema'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});

describe('a weighted choice', () => {
  test('is exact in each round, wherever it begins', () => {
    const weights = { a: 5, b: 1, c: 4, d: 0 };
    const choose = weightedChoice(
      Object.entries(weights).map(([value, weight]) => ({ value, weight })),
    );
    for (let round = 0; round < 3; round++) {
      const chosen = Array.from({ length: 10 }, choose).sort().join('');
      expect(chosen).toBe('aaaaabcccc');
    }
  });

  test('is exact for all who count the same turns', () => {
    let turn = 0;
    const weighted = ['a', 'b', 'c'].map((value, i) => ({ value, weight: (3 - i) * 10 }));
    const choices = [1, 2].map(() => countedChoice(weighted.slice(0, 2), () => ++turn));
    const chosen = Array.from({ length: 10 }, (_, i) => choices[i % 2]?.());
    expect(chosen.sort().join('')).toBe('aaaaaabbbb');
    const unlike = [
      { value: 'a', weight: 99_999 },
      { value: 'b', weight: 1 },
    ];
    const before = turn;
    expect(countedChoice(unlike, () => ++turn)()).toBe('a');
    expect(turn).toBe(before);
  });

  test('of nothing is nothing', () => {
    expect(weightedChoice([])()).toBeUndefined();
    expect(weightedChoice([{ value: 'a', weight: 0 }])()).toBeUndefined();
  });
});
