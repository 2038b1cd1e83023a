import { describe, expect, test } from 'vitest';
import { parseWrkOutput } from './wrk.ts';

// printed by wrk 4.1.0
const REFUSED = `Running 1s test @ http://127.0.0.1:18391/x
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    37.71us   19.41us 630.00us   72.89%
    Req/Sec    89.23k     5.94k  100.96k    81.82%
  Latency Distribution
     50%   32.00us
     75%   45.00us
     90%   61.00us
     99%  108.00us
  97171 requests in 1.10s, 14.36MB read
  Non-2xx or 3xx responses: 97171
Requests/sec:  88362.74
Transfer/sec:     13.06MB
`;
const LATE = `Running 4s test @ http://127.0.0.1:18392/x
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.00us    0.00us   0.00us    -nan%
    Req/Sec     0.00      0.00     0.00    100.00%
  Latency Distribution
     50%    0.00us
     75%    0.00us
     90%    0.00us
     99%    0.00us
  2 requests in 4.01s, 78.00B read
  Socket errors: connect 1, read 20, write 300, timeout 2
Requests/sec:      0.50
Transfer/sec:      19.47B
`;

describe('parseWrkOutput', () => {
  test('reads counts, rates and latencies', () => {
    const result = parseWrkOutput(REFUSED);
    expect(result.p50Ms).toBeCloseTo(0.032);
    expect(result.p99Ms).toBeCloseTo(0.108);
    expect(result.durationMs).toBeCloseTo(1100);
    expect(result).toMatchObject({
      requests: 97171,
      requestsPerSecond: 88362.74,
      socketErrors: 0,
      refused: 97171,
    });
  });

  test('adds up the socket errors of all kinds', () => {
    expect(parseWrkOutput(LATE)).toMatchObject({ requests: 2, socketErrors: 323, refused: 0 });
  });

  test.each([
    ['98.53ms', 98.53],
    ['1.42s', 1420],
    ['1.50m', 90_000],
    ['1.00h', 3_600_000],
  ])('knows the unit of %s', (text, ms) => {
    expect(parseWrkOutput(REFUSED.replace('108.00us', text)).p99Ms).toBeCloseTo(ms);
  });

  test.each([
    ['nothing', ''],
    ['no percentiles', REFUSED.replace(/ +\d+% .*\n/g, '')],
    ['no total', REFUSED.replace('requests in', 'answers in')],
    ['a unit that wrk does not have', REFUSED.replace('108.00us', '108.00fs')],
  ])('does not make figures out of %s', (_, text) => {
    expect(() => parseWrkOutput(text)).toThrow(/^wrk printed/);
  });
});
