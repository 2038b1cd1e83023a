import { describe, expect, test } from 'vitest';
import { parseH2load } from './h2load.ts';

// printed by h2load of nghttp2 1.52.0
const OUTPUT = `finished in 2.00s, 2000.00 req/s, 130.99KB/s
requests: 4007 total, 4012 started, 4007 done, 4000 succeeded, 7 failed, 5 errored, 2 timeout
status codes: 3990 2xx, 0 3xx, 4 4xx, 6 5xx
traffic: 261.98KB (268264) total, 187.50KB (192000) headers (space savings 51.02%), 3.91KB data
`;
const LOG = '1795350836155982\t200\t743\n1795350836155983\t200\t1780\n1795350836155984\t200\t783\n';

describe('parseH2load', () => {
  test('reads counts and rates, and latencies from the log', () => {
    expect(parseH2load(OUTPUT, LOG)).toEqual({
      requests: 4007,
      durationMs: expect.closeTo(2003.5) as number,
      requestsPerSecond: 2000,
      p50Ms: 0.783,
      p99Ms: 1.78,
      socketErrors: 7,
      refused: 10,
    });
  });

  test('does not make figures out of nothing', () => {
    expect(() => parseH2load('Could not connect', '')).toThrow('printed no figures');
  });
});
