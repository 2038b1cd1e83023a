import { describe, expect, test } from 'vitest';
import { selfTimes } from './self-times.ts';

const node = (id: number, functionName: string, url = '') => ({
  id,
  callFrame: { functionName, url, lineNumber: 6 },
});

describe('selfTimes', () => {
  test('counts the samples of a function over all places it was called from', () => {
    const nodes = [node(1, 'parse', 'file:///a/src/http1/head.ts'), node(2, '(program)')];
    const again = node(3, 'parse', 'file:///a/src/http1/head.ts');
    expect(selfTimes({ nodes: [...nodes, again], samples: [1, 3, 3, 2] })).toEqual([
      { name: 'parse  src/http1/head.ts:7', percent: 75 },
      { name: '(program)', percent: 25 },
    ]);
  });

  test('leaves out idle time and the recorder', () => {
    const nodes = [node(1, '(idle)'), node(2, 'post', 'node:inspector'), node(3, '')];
    expect(selfTimes({ nodes, samples: [1, 1, 2, 3] })).toEqual([
      { name: '(anonymous)', percent: 100 },
    ]);
  });
});
