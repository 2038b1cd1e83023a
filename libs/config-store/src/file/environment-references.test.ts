import { expect, test } from 'vitest';
import { substituteDocument, substituteText } from './environment-references.ts';

const env = { HOST: 'a.test', PORT: '9080', ON: 'true', EMPTY: '', HEX: '0x1F' };

test.each([
  ['${{HOST}}:${{PORT}}', 'a.test:9080'],
  ['${{ HOST }}', 'a.test'],
  ['${{HOST:=b.test}}', 'a.test'],
  ['${{NONE:=b.test}}', 'b.test'],
  ['${{NONE:= b.test }}', 'b.test'],
  ['${{NONE:=}}', ''],
  ['${{EMPTY:=b.test}}', ''],
  ['${{NONE:=a:=b}}', 'a:=b'],
  // Only blanks around the whole reference are dropped: this is a variable named "HOST ".
  ['${{HOST := b.test}}', 'b.test'],
  ['$HOST ${HOST} {{HOST}} ${{HOST}', '$HOST ${HOST} {{HOST}} ${{HOST}'],
  ['${{}} ${{-}} ${{HOST}}', '${{}} ${{-}} a.test'],
  ['${{ ${{HOST}}', '${{ a.test'],
])('substituteText makes %j into %j', (text, expected) => {
  expect(substituteText(text, env)).toBe(expected);
});

test('substituteText names the variable that is not set', () => {
  expect(() => substituteText('${{HOST}} ${{NONE}}', env)).toThrow(
    "failed to handle configuration: can't find environment variable NONE",
  );
});

test('substituteText knows nothing of what every object has', () => {
  expect(() => substituteText('${{constructor}}', env)).toThrow('constructor');
});

test('substituteText takes time in proportion to a text of openings', () => {
  const text = '${{'.repeat(200_000);
  expect(substituteText(text, env)).toBe(text);
});

test('substituteDocument makes numbers and booleans of texts that used a variable only', () => {
  const document = {
    port: '${{PORT}}',
    on: '${{ON}}',
    hex: '${{HEX}}',
    exponent: '${{NONE:=1e3}}',
    text: '${{HOST}}',
    empty: '${{EMPTY}}',
    untouched: ['9080', 'true', 7, null],
    '${{HOST}}': { nested: ['${{PORT}}0'] },
  };
  expect(substituteDocument(document, env)).toEqual({
    port: 9080,
    on: true,
    hex: 31,
    exponent: 1000,
    text: 'a.test',
    empty: '',
    untouched: ['9080', 'true', 7, null],
    'a.test': { nested: [90800] },
  });
});
