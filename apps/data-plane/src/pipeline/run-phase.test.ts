import { GatewayError } from '@polygate/plugin-sdk';
import type { LocalReply, RequestHandler, Variables } from '@polygate/plugin-sdk';
import { memoryLog } from '@polygate/testing';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { GatewayContext } from '../request/gateway-context.ts';
import { makeChain } from './plugin-chain.ts';
import type { PluginChain, PreparedPlugin } from './plugin-chain.ts';
import { runRequestPhase, runResponsePhase } from './run-phase.ts';

type Access = RequestHandler<unknown>;

let log: ReturnType<typeof memoryLog>;
let ctx: GatewayContext;
beforeEach(() => {
  log = memoryLog();
  const vars: Variables = {
    get: (name) => (name === 'yes' ? '1' : undefined),
    set: () => undefined,
  };
  const request = { isBodyWanted: false };
  const parts = { log, vars, request, filterResults: undefined, debugTrace: undefined };
  ctx = parts as unknown as GatewayContext;
});

function plugin(name: string, access: Access, more: Partial<PreparedPlugin> = {}): PreparedPlugin {
  return {
    name,
    priority: 0,
    isAuth: false,
    runPolicy: undefined,
    prepared: name,
    handlers: { access },
    filter: undefined,
    errorResponse: undefined,
    origin: 'route/1',
    dispose: undefined,
    ...more,
  };
}

const chain = (...plugins: PreparedPlugin[]): PluginChain =>
  makeChain(plugins.map((one, i) => ({ ...one, priority: one.priority || -i })));

describe('runRequestPhase()', () => {
  test('stays synchronous where every plugin is', () => {
    const ran: unknown[] = [];
    const note: Access = (_, prepared) => void ran.push(prepared);
    const result = runRequestPhase(chain(plugin('a', note), plugin('b', note)).access, ctx);
    expect(result).toBeUndefined();
    expect(ran).toEqual(['a', 'b']);
  });

  test('leaves out a plugin that another one has skipped', () => {
    const ran: unknown[] = [];
    const note: Access = (_, prepared) => void ran.push(prepared);
    const skip: Access = () => {
      ctx.skippedPlugins = new Set(['b']);
    };
    const steps = chain(plugin('a', skip), plugin('b', note), plugin('c', note));
    expect(runRequestPhase(steps.access, ctx)).toBeUndefined();
    runResponsePhase(
      chain(plugin('b', note, { handlers: { log: () => ran.push('log') } })).log,
      ctx,
    );
    expect(ran).toEqual(['c']);
  });

  test('goes on behind a plugin that waits, in order', async () => {
    const ran: string[] = [];
    const slow: Access = async () => {
      await Promise.resolve();
      ran.push('slow');
    };
    const result = runRequestPhase(
      chain(
        plugin('slow', slow),
        plugin('fast', () => void ran.push('fast')),
      ).access,
      ctx,
    );
    expect(ran).toEqual([]);
    expect(await result).toBeUndefined();
    expect(ran).toEqual(['slow', 'fast']);
  });

  test('ends with the first reply and runs nothing after it', () => {
    const later = vi.fn();
    const reply: LocalReply = { status: 403, body: 'no' };
    const steps = chain(
      plugin('stop', () => reply),
      plugin('later', later),
    ).access;
    expect(runRequestPhase(steps, ctx)).toEqual(reply);
    expect(later).not.toHaveBeenCalled();
    expect(log.lines).toEqual(['warn: stop exits with http status code 403']);
  });

  test('puts _meta.error_response in the place of a refusal, never of a success', () => {
    const errorResponse = { why: 'secret' };
    const refuse = plugin('a', () => ({ status: 401, body: 'real' }), { errorResponse });
    expect(runRequestPhase(chain(refuse).access, ctx)).toEqual({
      status: 401,
      body: errorResponse,
    });
    const answer = plugin('a', () => ({ status: 200, body: 'real' }), { errorResponse });
    expect(runRequestPhase(chain(answer).access, ctx)).toEqual({ status: 200, body: 'real' });
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
      500,
    ],
    ['rejects', () => Promise.reject(new Error('broken')), 500],
    ['fails by a GatewayError', () => Promise.reject(new GatewayError('RUNNER_FAILED', 'x')), 503],
  ] satisfies [string, Access, number][])(
    'fails closed when a plugin %s',
    async (_, access, status) => {
      const later = vi.fn();
      const steps = chain(plugin('bad', access), plugin('later', later)).access;
      expect(await runRequestPhase(steps, ctx)).toEqual({ status });
      expect(later).not.toHaveBeenCalled();
      expect(log.lines[0]).toContain('plugin bad failed');
    },
  );

  test('asks a filter once a request, and leaves the plugin out where it does not hold', () => {
    const filter = vi.fn((vars: Variables) => vars.get('yes') === '0');
    const access = vi.fn();
    const steps = chain(plugin('a', access, { filter })).access;
    void runRequestPhase(steps, ctx);
    void runRequestPhase(steps, ctx);
    expect(filter).toHaveBeenCalledOnce();
    expect(access).not.toHaveBeenCalled();
  });

  test('runs the plugin when its filter fails, as APISIX does', () => {
    const access = vi.fn();
    const filter = (): boolean => {
      throw new Error('bad filter');
    };
    void runRequestPhase(chain(plugin('a', access, { filter })).access, ctx);
    expect(access).toHaveBeenCalledOnce();
  });
});

test('runResponsePhase() goes on behind a plugin that throws', () => {
  const log2 = vi.fn();
  const bad = (): void => {
    throw new Error('broken');
  };
  const first = { ...plugin('bad', () => undefined), handlers: { log: bad } };
  const second = { ...plugin('good', () => undefined), handlers: { log: log2 } };
  runResponsePhase(chain(first, second).log, ctx);
  expect(log2).toHaveBeenCalledOnce();
  expect(log.lines[0]).toContain('plugin bad failed');
});

test('makeChain() orders by priority, and keeps auth plugins of a consumer from running twice', () => {
  const rewrite = (): void => undefined;
  const of = (name: string, priority: number, isAuth = false): PreparedPlugin => ({
    ...plugin(name, () => undefined, { priority, isAuth }),
    handlers: { rewrite },
  });
  const plugins = [of('low', 1), of('auth', 9, true), of('high', 5)];
  const made = makeChain(plugins, new Set(plugins));
  expect(made.plugins.map(({ name }) => name)).toEqual(['auth', 'high', 'low']);
  expect(made.rewriteInConsumer.map(({ owner }) => owner.name)).toEqual(['high', 'low']);
});
