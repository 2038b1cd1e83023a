import { expect, test } from 'vitest';
import { jsonProblem, readJson } from './json-problem.ts';

test.each([
  ['invalid json string', 'Expected value but found invalid token at character 1'],
  ['', 'Expected value but found T_END at character 1'],
  ['{"a": 1,}', 'Expected object key string but found T_OBJ_END at character 9'],
  ['{"a" 1}', 'Expected colon but found T_NUMBER at character 6'],
  ['{"a": }', 'Expected value but found T_OBJ_END at character 7'],
  ['{"a": 1', 'Expected comma or object end but found T_END at character 8'],
  ['{"a": [1, 2}', 'Expected comma or array end but found T_OBJ_END at character 12'],
  ['[1 2]', 'Expected comma or array end but found T_NUMBER at character 4'],
  ['{} {}', 'Expected the end but found T_OBJ_BEGIN at character 4'],
  ['{a: 1}', 'Expected object key string but found invalid token at character 2'],
  ['["a]', 'Expected value but found unexpected end of string at character 2'],
  ['["a\\x"]', 'Expected value but found invalid escape code at character 2'],
  ['["\\u12"]', 'Expected value but found invalid escape code at character 2'],
  ['["a\\\\", "\\"', 'Expected value but found unexpected end of string at character 9'],
])('says of %j what cjson says', (text, problem) => {
  expect(jsonProblem(text)).toBe(problem);
});

test.each(['{}', '[]', ' {"a": [1, -2.5e3, null, true, {"b": "\\u00e9\\""}]} ', '"a"', 'false'])(
  'finds nothing wrong with %j',
  (text) => {
    expect(jsonProblem(text)).toBeUndefined();
  },
);

test('takes line breaks in texts for what they are, as cjson', () => {
  expect(readJson('{"a\\"": "b\nc",\n"d": "\t"}')).toEqual({ value: { 'a"': 'b\nc', d: '\t' } });
  expect(readJson('{"a": "b\nc",}').problem).toContain('found T_OBJ_END at character');
});

test('gets through a long text that is all quotes, or one string', () => {
  // patterns take an hour for the first, and end with a stack overflow in the second
  expect(readJson(`"${'\\"'.repeat(500_000)}`).problem).toContain('unexpected end of string');
  expect(readJson(`["${'\\n'.repeat(10_000_000)}",]`).problem).toContain('found T_ARR_END');
});
