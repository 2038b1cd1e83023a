import { expect, test } from 'vitest';
import { parseJsonBody } from './request-body.ts';

function refusalOf(text: string): unknown {
  const result = parseJsonBody(text);
  return result.ok ? 'accepted' : result.answer;
}

test('a body that is no JSON is refused with the reason and the body', () => {
  expect(refusalOf('{"uri": ')).toMatchObject({
    status: 400,
    body: { error_msg: expect.stringMatching(/^invalid request body: ./), req_body: '{"uri": ' },
  });
});

test('a body with __proto__ is refused wherever it stands and however it is written', () => {
  expect(refusalOf('{"a":[{"__proto__":{"x":1}}]}')).toMatchObject({ status: 400 });
  expect(refusalOf('{"\\u005f_proto__":1}')).toMatchObject({ status: 400 });
});

test('a body may be 1000 levels deep and not one more', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  expect(refusalOf(nested(1000))).toBe('accepted');
  expect(refusalOf(nested(1001))).toMatchObject({ status: 400 });
  expect(refusalOf(nested(200_000))).toMatchObject({ status: 400 });
});
