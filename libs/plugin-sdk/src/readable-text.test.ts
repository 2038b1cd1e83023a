import { expect, test } from 'vitest';
import { readableText } from './readable-text.ts';

test.each([
  ['plain', 'plain'],
  [Buffer.from('grün').toString('latin1'), 'grün'],
  ['grün', 'grün'],
  ['\xff\xfe', '\xff\xfe'],
  ['日本', '日本'],
])('the text %j is read as %j', (wire, text) => {
  expect(readableText(wire)).toBe(text);
});
