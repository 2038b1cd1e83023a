import { RunnerState } from '@polygate/rpc';
import { expect, test } from 'vitest';
import type { RunnersReport } from '../runner/runners-report.ts';
import { showRunners } from './show-runners.ts';

const link = { address: 'unix:/m.sock', connected: true, callsInFlight: 2, backlogBytes: 0 };
const report = (workerId: number, more: Partial<RunnersReport> = {}): RunnersReport => ({
  workerId,
  links: [{ ...link, lastError: '' }],
  callsInFlight: 2,
  confsHeld: 3,
  breakers: [{ owner: 'route#1#ext-plugin-pre-req', runner: 'go', state: 'open' }],
  managers: [],
  ...more,
});
const runner: RunnersReport['managers'][number]['runners'][number] = {
  name: 'go',
  state: RunnerState.BACKING_OFF,
  generation: 4,
  plugins: ['a'],
  instances: [
    {
      index: 0,
      generation: 4,
      state: RunnerState.READY,
      pid: 77,
      restarts: 1,
      lastError: '',
      callsInFlight: 2,
      readySinceMs: 5,
      calls: 9,
    },
  ],
  callsInFlight: 2,
  callsWaiting: 1,
  confsHeld: 3,
  confTokens: 3,
  recentRestarts: [{ atMs: 1, index: 0, generation: 3, reason: 'exit code 1' }],
  pluginCalls: [{ plugin: 'a', calls: 9, failures: 1, p50Us: 100, p99Us: 900 }],
  lastLines: [{ atMs: 2, index: 0, isError: true, text: 'oops', traceId: '' }],
};

test('each worker tells of its links, and breakers, which workers share, are shown once', () => {
  const lost = { ...link, connected: false, lastError: 'refused' };
  expect(showRunners([report(0), report(1, { links: [lost] })])).toEqual({
    workers: [
      {
        id: 0,
        calls_in_flight: 2,
        confs_held: 3,
        links: [{ address: 'unix:/m.sock', connected: true, calls_in_flight: 2, backlog_bytes: 0 }],
      },
      {
        id: 1,
        calls_in_flight: 2,
        confs_held: 3,
        links: [
          {
            ...{ address: 'unix:/m.sock', connected: false, calls_in_flight: 2, backlog_bytes: 0 },
            last_error: 'refused',
          },
        ],
      },
    ],
    breakers: [{ owner: 'route#1#ext-plugin-pre-req', runner: 'go', state: 'open' }],
    managers: [],
  });
});

test('managers tell of their runners, or why they do not', () => {
  const managers = [
    { address: 'a:1', runners: [runner], error: undefined },
    { address: 'b:1', runners: [], error: 'Deadline exceeded' },
  ];
  expect(showRunners([report(0, { managers })])).toMatchObject({
    managers: [
      {
        address: 'a:1',
        runners: [
          {
            name: 'go',
            state: 'backing_off',
            generation: 4,
            conf_tokens: 3,
            instances: [{ index: 0, state: 'ready', pid: 77, restarts: 1, calls: 9 }],
            recent_restarts: [{ reason: 'exit code 1' }],
            plugin_calls: [{ plugin: 'a', calls: 9, failures: 1, p50_us: 100, p99_us: 900 }],
            last_lines: [{ stream: 'stderr', text: 'oops' }],
          },
        ],
      },
      { address: 'b:1', error: 'Deadline exceeded', runners: [] },
    ],
  });
});

test('a state that this gateway does not know is shown by its number', () => {
  const odd = { ...runner, state: 42 as RunnerState };
  const managers = [{ address: 'a:1', runners: [odd], error: undefined }];
  expect(showRunners([report(0, { managers })])).toMatchObject({
    managers: [{ runners: [{ state: 'state 42' }] }],
  });
});
