import { expect, test } from 'vitest';
import { substituteVariables } from './environment-variables.ts';

const env = { PORT: '9080', HOST: 'etcd', EMPTY: '', ON: 'true', KEY: '00123', HEX: '0x10' };

test.each([
  ['${{HOST}}', 'etcd'],
  ['http://${{HOST}}:${{PORT}}', 'http://etcd:9080'],
  ['${{PORT}}', 9080],
  ['${{ON}}', true],
  ['${{HEX}}', 16],
  ['${{OFF:=false}}', false],
  ['${{NO:=2379}}', 2379],
  ['${{NO:=-1.5e2}}', -150],
  ['${{ NO := a b }}', 'a b'],
  ['${{HOST:=other}}', 'etcd'],
  ['${{NO:=}}', ''],
  ['${{EMPTY:=x}}', ''],
  ['${{NO:=a:=b}}', 'a:=b'],
  ['9080', '9080'],
  ['true', 'true'],
  ['$HOST ${HOST} ${{', '$HOST ${HOST} ${{'],
  ['${{}} ${{-}}', '${{}} ${{-}}'],
  ['${{NO:=}}}', '}'],
])('%j becomes %j', (text, value) => {
  expect(substituteVariables({ a: [text] }, env)).toMatchObject({
    value: { a: [value] },
    problems: [],
  });
});

test('a variable that is not set and has no default is named with its place', () => {
  const { problems } = substituteVariables({ a: { b: ['x', '${{ADMIN_KEY}}/${{ALSO}}'] } }, env);
  expect(problems).toEqual([
    'a.b[1]: environment variable ADMIN_KEY is not set and has no default',
    'a.b[1]: environment variable ALSO is not set and has no default',
  ]);
});

test('keys are substituted too and stay text', () => {
  const { value } = substituteVariables({ '${{HOST}}-${{PORT}}': 1, '${{PORT}}': 2 }, env);
  expect(value).toEqual({ 'etcd-9080': 1, '9080': 2 });
});

test('the text of a value that became a number is kept by its path', () => {
  const { value, texts } = substituteVariables({ key: '${{KEY}}', other: 'x' }, env);
  expect(value).toEqual({ key: 123, other: 'x' });
  expect([...texts]).toEqual([['key', '00123']]);
});

test('what a variable holds is not substituted again', () => {
  const { value } = substituteVariables({ a: '${{A}}' }, { A: '${{B}}', B: 'no' });
  expect(value).toEqual({ a: '${{B}}' });
});

test('a key from the environment cannot reach the prototype', () => {
  const { value } = substituteVariables({ '${{A}}': { polluted: 1 } }, { A: '__proto__' });
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});
