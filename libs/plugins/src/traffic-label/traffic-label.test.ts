import { mountPlugin, runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './traffic-label.ts';

const conf = (...rules: object[]) => validConf(plugin.definition, { rules });
const label = (value: unknown) => ({ set_headers: { 'X-Label': value } });

async function labelled(raw: ReturnType<typeof conf>, target = '/echo', headers = {}) {
  const { upstreamRequest } = await runPlugin(plugin, raw, { target, headers });
  return upstreamRequest?.headers.get('x-label');
}

describe('traffic-label', () => {
  test('sets headers of requests that a rule meets, and of no others', async () => {
    const raw = conf({ match: [['uri', '==', '/echo']], actions: [label(100)] });
    expect(await labelled(raw)).toBe('100');
    expect(await labelled(raw, '/echo', { 'X-Label': 'old' })).toBe('100');
    expect(await labelled(raw, '/other')).toBeUndefined();
  });

  test('fills in variables', async () => {
    expect(await labelled(conf({ actions: [label('$arg_a-${uri}')] }), '/echo?a=1')).toBe(
      '1-/echo',
    );
  });

  test('lets no line break out of a variable into a header', async () => {
    const value = await labelled(conf({ actions: [label('$arg_a')] }), '/echo?a=1%0d%0aB:2');
    expect(value).toBe('1%0D%0AB:2');
  });

  test('takes the first rule that meets a request', async () => {
    const one = { match: [['arg_id', '==', '1']], actions: [label('one')] };
    const raw = conf(one, { actions: [label('rest')] });
    expect(await labelled(raw, '/echo?id=1')).toBe('one');
    expect(await labelled(raw, '/echo?id=2')).toBe('rest');
  });

  test('leaves a request to the next rule where an action sets nothing', async () => {
    expect(await labelled(conf({ actions: [{ weight: 1 }] }, { actions: [label('b')] }))).toBe('b');
  });

  test('shares actions out by weight', async () => {
    const actions = [{ ...label('a'), weight: 3 }, { ...label('b'), weight: 2 }, { weight: 5 }];
    const mounted = mountPlugin(plugin, conf({ actions }));
    const seen: Record<string, number> = {};
    for (let i = 0; i < 20; i++) {
      const { upstreamRequest } = await mounted.request();
      const value = upstreamRequest?.headers.get('x-label') ?? 'none';
      seen[value] = (seen[value] ?? 0) + 1;
    }
    expect(seen).toEqual({ a: 6, b: 4, none: 10 });
  });

  test.each([
    [[{ actions: [{ add_headers: { a: 1 } }] }], 'not supported action: add_headers'],
    [[{ actions: [{ ...label(1), weight: 0 }] }], 'property "weight" validation failed'],
    [[{ match: ['AND', 'OR', ['uri', '==', 'a']], actions: [label(1)] }], "the 'match' expression"],
    [[{ actions: [label({})] }], "failed to validate the 'set_headers' action: "],
    [[{ actions: [{ set_headers: { 'a b': '1' } }] }], 'invalid field character in header'],
    [[], 'expect array to have at least 1 items'],
    [[{ match: [['uri', '==', 'a']] }], 'property "actions" is required'],
  ])('refuses the rules %j', (rules, message) => {
    expect(() => conf(...rules)).toThrow(message);
  });
});
