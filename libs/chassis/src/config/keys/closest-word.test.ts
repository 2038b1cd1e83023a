import { expect, test } from 'vitest';
import { closestWord } from './closest-word.ts';

test.each([
  ['node_lisen', 'node_listen'],
  ['nodelisten', 'node_listen'],
  ['enable_contol', 'enable_control'],
  ['xyz', undefined],
  ['', undefined],
  ['node_listen'.repeat(10), undefined],
])('the word nearest to %j is %j', (word, near) => {
  expect(closestWord(word, ['enable_control', 'node_listen', 'ssl'])).toBe(near);
});
