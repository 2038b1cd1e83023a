import { describe, expect, test } from 'vitest';
import type { Measurement } from './measure.ts';
import { spreadOf, summarize, tableOf } from './report.ts';

const round = (gatewayUs: number, runnerUs?: number): Measurement => ({
  requests: 1000,
  durationMs: 1000,
  requestsPerSecond: 1000,
  p50Ms: 1,
  p99Ms: 2,
  socketErrors: 0,
  refused: 0,
  gatewayUsPerRequest: gatewayUs,
  runnerUsPerRequest: runnerUs,
  coreShare: 0.5,
  gatewayRssBytes: 100 * 2 ** 20,
  runnerRssBytes: runnerUs === undefined ? undefined : 50 * 2 ** 20,
});
const nginx = { name: 'nginx', description: '', rounds: [round(10), round(20), round(10)] };
const external = {
  name: 'external',
  description: '',
  rounds: [round(20, 10), round(60, 20), round(40, 10)],
};

describe('report', () => {
  test('compares gateway and runner with the reference of the same round', () => {
    const summary = summarize(external, nginx);
    expect(summary.ratio).toEqual({ median: 4, min: 3, max: 5 });
    expect(summary.gatewayUsPerRequest).toEqual({ median: 40, min: 20, max: 60 });
    expect(summary.runnerUsPerRequest).toEqual({ median: 10, min: 10, max: 20 });
    expect(summary.rssMiB.median).toBe(150);
  });

  test('takes the middle of two for the median of an even number', () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  });

  test('shows no runner and no ratio where there is none', () => {
    const summary = summarize(nginx, undefined);
    const [, medians = '', ranges = ''] = tableOf([{ name: 'nginx', summary }]).split('\n');
    expect(medians.split(/\s+/).slice(0, 4)).toEqual(['nginx', '10.0', '-', '-']);
    expect(ranges.trim().split(/\s+/)[0]).toBe('10.0–20.0');
  });
});
