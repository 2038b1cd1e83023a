import { expect, test } from 'vitest';
import { parseNginxSize, parseNginxTime } from './nginx-units.ts';

test.each([
  [60, 60_000],
  [0.5, 500],
  ['60', 60_000],
  ['60s', 60_000],
  ['500ms', 500],
  ['1h 30m', 5_400_000],
  ['1h30m', 5_400_000],
  ['1d', 86_400_000],
  ['0', 0],
])('the time %j is %j ms', (value, ms) => {
  expect(parseNginxTime(value)).toBe(ms);
});

test.each([[''], ['60 x'], ['s'], ['-1s'], [-1], [true], ['9'.repeat(30)], ['1h  x'], [null]])(
  'the time %j is none',
  (value) => {
    expect(parseNginxTime(value)).toBeUndefined();
  },
);

test.each([
  [0, 0],
  [1024, 1024],
  ['16384', 16_384],
  ['8k', 8192],
  ['8m', 8_388_608],
  ['1G', 1_073_741_824],
])('the size %j is %j bytes', (value, bytes) => {
  expect(parseNginxSize(value)).toBe(bytes);
});

test.each([[-1], [1.5], ['8mb'], ['m'], [''], [[]], ['9'.repeat(20)]])(
  'the size %j is none',
  (value) => {
    expect(parseNginxSize(value)).toBeUndefined();
  },
);
