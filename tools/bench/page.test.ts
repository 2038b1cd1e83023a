import { describe, expect, test } from 'vitest';
import type { Measurement } from './measure.ts';
import { pageOf } from './page.ts';
import type { PageContents } from './page.ts';
import { SCENARIOS } from './scenarios.ts';
import type { Scenario } from './scenarios.ts';

const round = (gatewayUsPerRequest: number): Measurement => ({
  ...{ requests: 1000, durationMs: 1000, requestsPerSecond: 1000, p50Ms: 1, p99Ms: 2 },
  ...{ socketErrors: 0, refused: 0, coreShare: 0.5, gatewayRssBytes: 2 ** 20 },
  ...{ runnerUsPerRequest: undefined, runnerRssBytes: undefined, gatewayUsPerRequest },
});
const plain = SCENARIOS.find(({ name }) => name === 'plain') as Scenario;
const contents: PageContents = {
  machine: { cpu: 'X', cores: 2, memoryGiB: 4, kernel: '6', versions: { nginx: '1' } },
  placement: 'gateway on core 0',
  ...{ seconds: 5, rounds: 2 },
  results: [
    {
      scenario: plain,
      series: [
        { name: 'nginx', rounds: [round(10), round(10)] },
        { name: 'polygate', rounds: [round(12), round(14)] },
      ],
      missing: { haproxy: 'not installed: apt-get install haproxy' },
    },
  ],
  figures: [{ what: 'memory of each', value: 11.456, unit: 'KB', goal: 12 }],
  contenders: [{ name: 'nginx', about: 'one worker' }],
};

describe('pageOf', () => {
  const page = pageOf(contents);

  test('has a row for each contender, without the columns that nobody fills', () => {
    expect(page).toContain('| polygate | 13.0 | 1.30 (1.20–1.40) | 1000 | 1.00 | 2.00 | 1 | 50 |');
    expect(page).not.toContain('CPU µs runner |');
  });

  test('says of goals whether they are met, and of who is missing why', () => {
    expect(page).toContain('Polygate: goal ≤ 1.3 × nginx: met (1.30).');
    expect(page).toContain('Left out: haproxy (not installed: apt-get install haproxy).');
    expect(page).toContain('- memory of each: 11.5 KB, goal ≤ 12: met');
  });

  test('has no date', () => {
    expect(page).not.toMatch(/\b20\d\d\b/);
  });
});
