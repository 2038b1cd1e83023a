import { expect, test } from 'vitest';
import { problemsOf, runChaos } from './runner-chaos.ts';

// The short form of `node tools/chaos/runner-chaos.ts`.

const LIMIT_MS = 180_000;

test(
  'of two runner instances one may die at any time: no request fails',
  { timeout: LIMIT_MS },
  async () => {
    const report = await runChaos({ seconds: 6, clients: 8, seed: 1, victims: ['runner'] });
    expect(problemsOf(report)).toEqual([]);
    expect(report.tally).toMatchObject({ refused: 0, broken: 0 });
    expect(report.kills.runner).toBeGreaterThan(0);
  },
);

test(
  'of two runner managers, on the network with certificates, one may die at any time: no request fails',
  { timeout: LIMIT_MS },
  async () => {
    const report = await runChaos({
      ...{ seconds: 6, clients: 8, seed: 3, victims: ['runner-manager'] },
      stage: { managers: 2, instances: 1 },
    });
    expect(problemsOf(report)).toEqual([]);
    expect(report.tally).toMatchObject({ refused: 0, broken: 0 });
    expect(report.kills['runner-manager']).toBeGreaterThan(0);
  },
);

test(
  'whatever dies, no answer is wrong or late, and nothing outlives its parent',
  { timeout: LIMIT_MS },
  async () => {
    const victims = ['runner', 'runner-manager', 'data-plane'] as const;
    const report = await runChaos({ seconds: 8, clients: 8, seed: 2, victims });
    expect(problemsOf(report)).toEqual([]);
    expect(Object.values(report.kills).every((count) => count > 0)).toBe(true);
  },
);
