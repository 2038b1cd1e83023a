import { expect, test } from 'vitest';
import { runUpstreamChaos, upstreamProblems } from './upstream-chaos.ts';

// The short form of `node tools/chaos/upstream-chaos.ts`.

test(
  'while nodes die, hang, reset and come back, what may be repeated does not fail, and nothing hangs',
  { timeout: 120_000 },
  async () => {
    const report = await runUpstreamChaos({ seconds: 10, clients: 8, seed: 1 });
    expect(upstreamProblems(report)).toEqual([]);
    expect(report.answers['GET 200']).toBeGreaterThan(20);
    expect(report.requests.every((count) => count > 0)).toBe(true);
    for (const mood of ['dead', 'hanging', 'resetting-head', 'resetting-body', 'well']) {
      expect(report.moods[mood]).toBeGreaterThan(0);
    }
  },
);
