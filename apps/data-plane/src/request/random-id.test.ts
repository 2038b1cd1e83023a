import { expect, test } from 'vitest';
import { randomId } from './random-id.ts';

test('random ids are 32 hexadecimal digits, and none comes twice', () => {
  const ids = Array.from({ length: 1000 }, () => randomId());
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(ids).size).toBe(1000);
});
