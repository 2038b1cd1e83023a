import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PendingAnswers } from './pending-answers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('answers reach the question with their id, in whatever order they come', async () => {
  const answers = new PendingAnswers<string>(1000);
  const ids: number[] = [];
  const first = answers.ask((id) => ids.push(id));
  const second = answers.ask((id) => ids.push(id));
  answers.answer(ids[1] ?? 0, 'second');
  answers.answer(ids[0] ?? 0, 'first');
  expect(await Promise.all([first, second])).toEqual(['first', 'second']);
  expect(vi.getTimerCount()).toBe(0);
});

test('a question that nobody answers is over in time, and a late answer is dropped', async () => {
  const answers = new PendingAnswers<string>(1000);
  let asked = 0;
  const answer = answers.ask((id) => (asked = id));
  await vi.advanceTimersByTimeAsync(999);
  expect(answers.size).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await answer).toBeUndefined();
  expect(answers.size).toBe(0);
  expect(() => answers.answer(asked, 'late')).not.toThrow();
});
