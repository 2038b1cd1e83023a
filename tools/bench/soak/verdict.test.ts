import { describe, expect, test } from 'vitest';
import { Ledger } from './ledger.ts';
import { logProblems, problemsOf } from './verdict.ts';

const held = { files: 50, resources: 20, heapBytes: 60 * 2 ** 20, rssBytes: 200 * 2 ** 20 };

describe('problemsOf', () => {
  test('finds none where all is as before', () => {
    expect(problemsOf({ fresh: held, before: held, after: held })).toEqual([]);
  });

  test.each([
    ['sockets', { files: 60 }, /60 files are open, 50 were/],
    ['timers', { resources: 40 }, /wait for 40 things/],
    ['heap', { heapBytes: 100 * 2 ** 20 }, /heap grew/],
    ['resident memory', { rssBytes: 300 * 2 ** 20 }, /resident memory grew/],
  ])('finds %s that are left over', (_, more, problem) => {
    const problems = problemsOf({ fresh: held, before: held, after: { ...held, ...more } });
    expect(problems).toEqual([expect.stringMatching(problem)]);
  });
});

describe('logProblems', () => {
  test('names a few of the requests that the log has not, or too often', () => {
    const ledger = new Ledger();
    const ids = Array.from({ length: 9 }, () => ledger.newId());
    for (const id of ids) ledger.answered(id, 200);
    const [first = '', ...others] = ids;
    expect(logProblems(ledger.compare([first, first]))).toEqual([
      `8 answered but not logged: ${others.slice(0, 5).join(', ')}`,
      `1 logged more than once: ${first}`,
    ]);
  });

  test('is not content with a load that nobody answered', () => {
    expect(logProblems(new Ledger().compare([]))).toEqual(['no request was answered']);
  });
});
