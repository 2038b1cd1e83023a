import { HeaderList } from '@polygate/plugin-sdk';
import { expect, test } from 'vitest';
import { jsonHeaders, jsonText } from './log-entry-json.ts';
import { RepeatedHeaders, RepeatedNumber, RepeatedText } from './log-entry-memory.ts';

const NAMES = ['Host', 'User-Agent', 'X-A', 'x-a', 'N"ame', 'Cookie'];
const VALUES = ['', 'a', 'b', 'ä"\\', 'x'.repeat(300), '\u00c3\u00a4', 'tab\t'];

/** The same numbers each time. */
function numbers(): (below: number) => number {
  let seed = 7;
  return (below) => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
    return (seed >> 8) % below;
  };
}

test('headers come out as they do without a memory, whatever came before', () => {
  const next = numbers();
  const memory = new RepeatedHeaders();
  for (let i = 0; i < 20_000; i++) {
    const headers = new HeaderList();
    const size = next(5);
    for (let k = 0; k < size; k++) {
      const name = NAMES[next(4) === 0 ? next(NAMES.length) : k] as string;
      headers.append(name, VALUES[next(3) === 0 ? next(VALUES.length) : 1] as string);
    }
    expect(memory.json(headers)).toBe(jsonHeaders(headers));
  }
});

test('so do texts and numbers', () => {
  const next = numbers();
  const text = new RepeatedText();
  const number = new RepeatedNumber();
  for (let i = 0; i < 2000; i++) {
    const value = VALUES[next(VALUES.length)] as string;
    expect(text.json(value)).toBe(jsonText(value));
    const count = next(3) * 1e12;
    expect(number.digits(count)).toBe(String(count));
  }
});
