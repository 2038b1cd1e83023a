import { expect, test } from 'vitest';
import { AnswerOrder } from './answer-order.ts';

function order() {
  const given: string[] = [];
  const answers = new AnswerOrder((result) => given.push(result?.toString() ?? 'nothing'));
  return { given, answers };
}

test('what is known is answered at once', () => {
  const { given, answers } = order();
  answers.known({ result: Buffer.from('a') });
  answers.known({ result: undefined });
  expect(given).toEqual(['a', 'nothing']);
});

test('what is known waits for the answers to earlier questions', () => {
  const { given, answers } = order();
  answers.asked();
  answers.known({ result: Buffer.from('b') });
  answers.asked();
  answers.known({ result: Buffer.from('d') });
  expect(given).toEqual([]);
  answers.answered(Buffer.from('a'));
  expect(given).toEqual(['a', 'b']);
  answers.answered(undefined);
  expect(given).toEqual(['a', 'b', 'nothing', 'd']);
});

test('an answer that nobody asked for is dropped', () => {
  const { given, answers } = order();
  answers.answered(Buffer.from('x'));
  answers.asked();
  answers.answered(Buffer.from('a'));
  answers.answered(Buffer.from('y'));
  expect(given).toEqual(['a']);
});
