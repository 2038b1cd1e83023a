import type { ExternalConf } from '@polygate/plugin-sdk';
import type { DataPlaneFrame, ManagerFrame, RequestCall } from '@polygate/rpc';
import {
  MemoryContext,
  memoryLog,
  memoryMetrics,
  memorySharedState,
  type RequestInit,
} from '@polygate/testing';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createExternalPlugins } from './external-plugins.ts';
import { RunnerMetrics } from './policy/runner-metrics.ts';
import { scriptedLink } from './scripted-link.harness.ts';
import { continueFrame } from './scripted-manager.ts';

const link = scriptedLink();

let calls: RequestCall[] = [];
let metrics = memoryMetrics();
let externals: ReturnType<typeof externalPlugins>;
beforeEach(() => {
  calls = [];
  metrics = memoryMetrics();
  externals = externalPlugins();
});

function externalPlugins() {
  return createExternalPlugins({
    client: link.client,
    shared: memorySharedState(),
    metrics: new RunnerMetrics(metrics, ''),
    runners: [{ name: 'go', plugins: ['a'], callTimeoutMs: 7_000 }],
    callTimeoutMs: 60_000,
  });
}

function prepared(conf: Partial<ExternalConf> = {}, version = 1) {
  return externals.prepare({
    key: `route#1#ext-plugin-pre-req#${version}`,
    owner: 'route#1#ext-plugin-pre-req',
    plugins: [{ name: 'p', value: '{}' }],
    policy: {},
    ...conf,
  });
}

const context = (init: RequestInit = {}) => new MemoryContext(init, memoryLog());

/** Calls it for each request call; silent where it answers nothing. */
function script(answer: (frame: DataPlaneFrame) => ManagerFrame | undefined): void {
  link.manager.onMessage = (frames, reply) => {
    for (const frame of frames) {
      if (frame.frame?.$case === 'requestCall') calls.push(frame.frame.value);
      const isAnswerable = frame.frame?.$case !== 'holdConf' && frame.callId !== 0;
      const answered = isAnswerable ? answer(frame) : undefined;
      if (answered !== undefined) reply([answered]);
    }
  };
}

const failing = ({ callId }: DataPlaneFrame): ManagerFrame => ({
  callId,
  frame: { $case: 'callFailure', value: { reason: 2, message: 'header too short' } },
});

describe('calls of a conf', () => {
  test('may take what it says, or its runner, or the gateway', async () => {
    script(continueFrame);
    await prepared({ policy: { timeoutMs: 5_000 } }).handleRequest(context());
    await prepared({ plugins: [{ name: 'a', value: '' }] }).handleRequest(context());
    await prepared().handleRequest(context());
    expect(calls.map(({ timeoutMs }) => timeoutMs)).toEqual([5_000, 7_000, 60_000]);
  });

  test('may be repeated once where HTTP says so, or as often as it is written', async () => {
    script(continueFrame);
    for (const method of ['GET', 'PUT', 'POST', 'PATCH']) {
      await prepared().handleRequest(context({ method }));
    }
    await prepared({ policy: { retries: 3 } }).handleRequest(context({ method: 'POST' }));
    await prepared({ policy: { retries: 0 } }).handleRequest(context());
    expect(calls.map(({ retries }) => retries)).toEqual([1, 1, 0, 0, 3, 0]);
  });

  test('go where the plugin is, also when the configuration says another runner than before', async () => {
    script(continueFrame);
    const conf = prepared({ key: 'route#moved#1' });
    await conf.handleRequest(context());
    externals.takeRunners([{ name: 'java', plugins: ['p'], callTimeoutMs: 9_000 }]);
    await conf.handleRequest(context());
    expect(calls.map(({ runner, timeoutMs }) => [runner, timeoutMs])).toEqual([
      ['', 60_000],
      ['java', 9_000],
    ]);
    const told = (): string[] =>
      link.manager.frames().flatMap(({ frame }) => {
        if (frame?.$case === 'holdConf' && frame.value.conf?.key === 'route#moved#1') {
          return [`hold ${frame.value.runner}`];
        }
        const isReleased = frame?.$case === 'releaseConf' && frame.value.key === 'route#moved#1';
        return isReleased ? [`release ${frame.value.runner}`] : [];
      });
    await vi.waitFor(() => expect(told().sort()).toEqual(['hold ', 'hold java', 'release ']));
    conf.release();
    await vi.waitFor(() => expect(told()).toContain('release java'));
  });

  test('fail unasked where the runner is not declared to have the plugin', async () => {
    script(continueFrame);
    const conf = { plugins: [{ name: 'typo', value: '', runner: 'go' }] };
    await expect(prepared(conf).handleRequest(context())).rejects.toMatchObject({
      code: 'RUNNER_FAILED',
      message: 'unknown plugin: runner go is not declared to have "typo"',
    });
    expect(calls).toEqual([]);
  });

  test('are limited over all versions of the conf, and freed when they end', async () => {
    script(() => undefined);
    const policy = { inFlightMax: 2 };
    const old = prepared({ policy });
    const hanging = [old.handleRequest(context()), old.handleRequest(context())];
    const next = prepared({ policy }, 2);
    old.release();
    await expect(next.handleRequest(context())).rejects.toMatchObject({
      code: 'RUNNER_OVERLOADED',
    });
    await vi.waitFor(() => expect(calls).toHaveLength(2));
    script(continueFrame);
    link.manager.breakStreams();
    await Promise.allSettled(hanging);
    await vi.waitFor(() => expect(link.client.connected).toBe(true), 10_000);
    await next.handleRequest(context());
  });

  test('are not made while the breaker is open, also by a new version', async () => {
    script(failing);
    const policy = { breaker: { failures: 2, windowMs: 60_000, openMs: 60_000 } };
    const old = prepared({ policy });
    for (let i = 0; i < 2; i++) {
      await expect(old.handleRequest(context())).rejects.toMatchObject({ code: 'RUNNER_FAILED' });
    }
    const next = prepared({ policy }, 2);
    await expect(next.handleRequest(context())).rejects.toMatchObject({
      code: 'RUNNER_CIRCUIT_OPEN',
    });
    expect(calls).toHaveLength(2);
    expect(externals.breakers()).toEqual([
      { owner: 'route#1#ext-plugin-pre-req', runner: 'default', state: 'open' },
    ]);
    old.release();
    next.release();
    expect(externals.breakers()).toEqual([]);
  });

  test('are counted by how they end', async () => {
    script(continueFrame);
    await prepared().handleRequest(context());
    script(failing);
    await prepared()
      .handleRequest(context())
      .catch(() => undefined);
    const count = (outcome: string) =>
      metrics.value('polygate_runner_calls_total', ['default', 'p', outcome]);
    expect(count('ok')).toBe(1);
    expect(count('failed')).toBe(1);
  });
});

test('what plugins ask for travels with the next call', async () => {
  const variable = { $case: 'variable', value: { name: 'host' } } as const;
  script((frame) => {
    const { callId } = frame;
    if (frame.frame?.$case !== 'requestCall') return continueFrame(frame);
    const known = frame.frame.value.known?.variables ?? [];
    if (known.length > 0) return continueFrame(frame);
    return { callId, frame: { $case: 'extraInfoQuestion', value: { info: variable } } };
  });
  const conf = prepared();
  for (let i = 0; i < 3; i++) await conf.handleRequest(context({ headers: { Host: 'a' } }));
  await conf.handleRequest(context());
  expect(calls.map(({ known }) => known?.variables)).toEqual([
    undefined,
    [{ name: 'host', value: 'a' }],
    [{ name: 'host', value: 'a' }],
    [{ name: 'host', value: '' }],
  ]);
});

test('a request body is not sent before it is asked for, and its absence is told', async () => {
  const requestBody = { $case: 'requestBody', value: {} } as const;
  script((frame) => {
    const { callId } = frame;
    if (frame.frame?.$case !== 'requestCall') return continueFrame(frame);
    if (frame.frame.value.known?.hasNoRequestBody === true) return continueFrame(frame);
    return { callId, frame: { $case: 'extraInfoQuestion', value: { info: requestBody } } };
  });
  const conf = prepared();
  await conf.handleRequest(context({ method: 'POST', body: 'abc' }));
  await conf.handleRequest(context());
  expect(calls.map(({ known }) => known?.hasNoRequestBody)).toEqual([undefined, true]);
});
