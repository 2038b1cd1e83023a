import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addToHash, emptyHash, TextTable } from './text-table.ts';

const find = (table: TextTable<number>, text: string, length = text.length): number | undefined =>
  table.find(text, length, addToHash(emptyHash(), text, 0, length));

test('a table answers as a Map, after any changes', () => {
  const key = fc.string({ maxLength: 3, unit: fc.constantFrom('a', 'b', '/', 'é') });
  const change = fc.tuple(key, fc.option(fc.nat(), { nil: undefined }));
  const batches = fc.array(fc.array(change, { maxLength: 30 }), { maxLength: 8 });
  fc.assert(
    fc.property(batches, fc.array(key), (all, asked) => {
      const map = new Map<string, number>();
      let table = TextTable.empty<number>();
      for (const changes of all) {
        const before = new Map(map);
        const old = table;
        for (const [name, value] of changes) {
          if (value === undefined) map.delete(name);
          else map.set(name, value);
        }
        table = table.with(new Map(changes));
        expect(table.size).toBe(map.size);
        for (const [name] of changes) {
          expect(find(table, name)).toBe(map.get(name));
          expect(find(old, name)).toBe(before.get(name));
        }
      }
      for (const name of asked) expect(find(table, name)).toBe(map.get(name));
    }),
  );
});

test('the beginning of a text is found by its own hash, and no longer or shorter key is', () => {
  const table = TextTable.empty<number>().with(
    new Map([
      ['/a', 1],
      ['/a/b', 2],
    ]),
  );
  const path = '/a/b/c';
  expect([1, 2, 3, 4, 5].map((length) => find(table, path, length))).toEqual([
    undefined,
    1,
    undefined,
    2,
    undefined,
  ]);
});

test('texts of one hash are told apart', () => {
  // FNV-1a of 32 bits, found by search
  const [one, other] = collision();
  const table = TextTable.empty<number>().with(
    new Map([
      [one, 1],
      [other, 2],
    ]),
  );
  expect([find(table, one), find(table, other)]).toEqual([1, 2]);
});

function collision(): [string, string] {
  const seen = new Map<number, string>();
  for (let i = 0; ; i++) {
    const text = `/service-${i}/`;
    const hash = addToHash(emptyHash(), text, 0, text.length);
    const former = seen.get(hash);
    if (former !== undefined) return [former, text];
    seen.set(hash, text);
  }
}
