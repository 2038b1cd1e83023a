import { describe, expect, test } from 'vitest';
import { EMPTY_CHAIN, makeChain } from '../pipeline/plugin-chain.ts';
import type { PreparedPlugin } from '../pipeline/plugin-chain.ts';
import type { GatewayContext } from '../request/gateway-context.ts';
import { BodyFilters } from './body-filters.ts';

/** Upper case, with a mark behind the last piece. */
const shouting: PreparedPlugin = {
  name: 'shouting',
  priority: 1,
  isAuth: false,
  runPolicy: undefined,
  prepared: undefined,
  handlers: {
    bodyFilter: (_ctx: unknown, _prepared: unknown, chunk: Buffer, last: boolean) =>
      Buffer.from(chunk.toString().toUpperCase() + (last ? '!' : '')),
  },
  filter: undefined,
  errorResponse: undefined,
  origin: 'route/1',
  dispose: undefined,
};

function contextOf(plugins: readonly PreparedPlugin[], bodyHeld: boolean): GatewayContext {
  return {
    globalRules: EMPTY_CHAIN,
    chain: plugins.length === 0 ? EMPTY_CHAIN : makeChain(plugins),
    response: { bodyHeld },
  } as unknown as GatewayContext;
}

describe('BodyFilters', () => {
  test('are none where no plugin looks at bodies', () => {
    expect(BodyFilters.of(contextOf([], true), 10, false)).toBeUndefined();
  });

  test('pass each chunk on, and a last call that may add something', () => {
    const filters = BodyFilters.of(contextOf([shouting], false), 3, false);
    expect(filters?.isHolding).toBe(false);
    expect(filters?.take(Buffer.from('over '))?.toString()).toBe('OVER ');
    expect(filters?.take(Buffer.from('the limit'))?.toString()).toBe('THE LIMIT');
    expect(filters?.finish().toString()).toBe('!');
  });

  test('give a plugin that asked for it the whole body in one piece', () => {
    const filters = BodyFilters.of(contextOf([shouting], true), 10, false);
    const chunk = Buffer.from('one ');
    expect(filters?.take(chunk)).toBeUndefined();
    // the transport reads the next bytes into the same memory
    chunk.write('two ');
    expect(filters?.take(chunk)).toBeUndefined();
    expect(filters?.finish().toString()).toBe('ONE TWO !');
  });

  test('refuse to hold more than the limit', () => {
    const filters = BodyFilters.of(contextOf([shouting], true), 10, false);
    filters?.take(Buffer.alloc(10));
    expect(() => filters?.take(Buffer.alloc(1))).toThrow(
      expect.objectContaining({ code: 'RESPONSE_BODY_TOO_LARGE' }),
    );
  });

  test('hold nothing back of an answer without a body', () => {
    expect(BodyFilters.of(contextOf([shouting], true), 10, true)?.isHolding).toBe(false);
  });
});
