import { expect, test } from 'vitest';
import { parseLenientJson } from './lenient-json.ts';

test('parseLenientJson() takes control characters inside texts', () => {
  expect(parseLenientJson('{\n"a": "x\n\ty\\"\n", "b\u0001": 1}')).toEqual({
    a: 'x\n\ty"\n',
    'b\u0001': 1,
  });
});

test('parseLenientJson() takes nothing else that JSON does not', () => {
  for (const text of ['{"a": \u0001}', "{'a': 1}", '{"a": 1,}', '{"a": "x\n}', '[1 2]', '']) {
    expect(() => parseLenientJson(text)).toThrow(SyntaxError);
  }
});
