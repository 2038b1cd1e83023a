import { describe, expect, it } from 'vitest';
import { randomOf } from './mutate.harness.ts';
import { controlIn, wordsOf, type Words } from './words.ts';

const TAB = 9;

/** What `controlIn` is to find, a byte at a time. */
function firstControl(bytes: Buffer, from: number, end: number): number {
  for (let p = from; p < end; p++) {
    const byte = bytes[p] as number;
    if ((byte < 0x20 && byte !== TAB) || byte === 0x7f) return p;
  }
  return end;
}

describe('controlIn', () => {
  it('finds each control character at each place, whatever stands around it', () => {
    const random = randomOf(7);
    const whole = Buffer.alloc(64);
    for (let byte = 0; byte < 256; byte++) {
      for (let round = 0; round < 40; round++) {
        for (let i = 0; i < whole.length; i++)
          whole[i] = [0x20, 0x7e, 0x80, 0xff, TAB][i % 5] as number;
        const from = 4 + Math.floor(random() * 20);
        // before the range, in it, and anywhere
        whole[from - 1] = 0;
        whole[from - 2] = 0x7f;
        whole[from + Math.floor(random() * 30)] = byte;
        if (round % 2 === 0) whole[from + Math.floor(random() * 30)] = Math.floor(random() * 256);
        const bytes = whole.subarray(Math.floor(random() * 4));
        const end = bytes.length - Math.floor(random() * 8);
        const words = wordsOf(bytes, 1_000) as Words;
        const found = controlIn(words, bytes, from, end);
        const right = firstControl(bytes, from, end);
        // the last three bytes may be left to the caller, who looks at what stands there
        if (found < end) expect(found).toBe(right);
        else expect(right).toBeGreaterThan(end - 4);
      }
    }
  });
});

describe('wordsOf', () => {
  it('does without for a short message in memory of its own, and not in memory used again', () => {
    const bytes = Buffer.alloc(100);
    expect(wordsOf(bytes, 100)).toBeUndefined();
    expect(wordsOf(bytes, 100)).toBeDefined();
    expect(wordsOf(Buffer.alloc(100), 100)).toBeUndefined();
    expect(wordsOf(Buffer.alloc(1_000), 1_000)).toBeDefined();
  });
});
