import { expect, test } from 'vitest';
import { costsSection, costsText, verdictOf } from './plugin-costs.ts';

const cost = (plugin: string, ns: number, beyond?: string) => ({
  ...{ plugin, ns, fromNs: ns - 100, toNs: ns + 100 },
  ...(beyond !== undefined && { beyond }),
});
const found = {
  bareNs: 4040,
  costs: [cost('cors', 900), cost('gzip', 45_000, 'compression')],
  missing: { opa: 'needs the service that it asks' },
};

test('the dearest plugin stands first, with what the rounds were between', () => {
  const lines = costsText(found).split('\n');
  expect(lines[1]).toContain('request of 4.04 µs');
  expect(lines[2]).toMatch(/^gzip +45\.00 µs {2}44\.90–45\.10 {2}compression$/);
  expect(lines[3]).toMatch(/^cors +0\.90 µs {2}0\.80–1\.00$/);
});

test('the limit counts what a plugin works out, not what it sends or compresses', () => {
  expect(verdictOf(found)).toMatch(/: met$/);
  const dear = { ...found, costs: [cost('mocking', 20_001), cost('echo', 20_000)] };
  expect(verdictOf(dear)).toMatch(/: NOT met by mocking$/);
});

test('the page has a row a plugin, and says what was not measured', () => {
  const page = costsSection(found);
  expect(page).toContain(
    '| gzip | 45.00 (44.90–45.10) | compression |\n| cors | 0.90 (0.80–1.00) |  |',
  );
  expect(page).toContain('- opa: needs the service that it asks\n');
});
