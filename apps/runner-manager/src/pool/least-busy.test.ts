import { expect, test } from 'vitest';
import { leastBusy } from './least-busy.ts';
import type { RunnerInstance } from './runner-pool.ts';

const instance = (index: number, callsInFlight: number) =>
  ({ index, callsInFlight }) as RunnerInstance;

const unlimited = { inFlightMax: Infinity, turn: 0 };

test('the instance with the fewest calls is taken, each of equals in its turn', () => {
  const instances = [instance(0, 2), instance(1, 1), instance(2, 1)];
  const taken = [0, 1, 2].map((turn) => leastBusy(instances, { ...unlimited, turn })?.index);
  expect(new Set(taken)).toEqual(new Set([1, 2]));
});

test('one that was tried is taken only where there is no other, full ones never', () => {
  const instances = [instance(0, 0), instance(1, 5), instance(2, 9)];
  const tried = new Set([instances[0] as RunnerInstance]);
  expect(leastBusy(instances, { ...unlimited, tried })?.index).toBe(1);
  expect(leastBusy(instances, { ...unlimited, inFlightMax: 5, tried })?.index).toBe(0);
  expect(leastBusy(instances.slice(1), { ...unlimited, inFlightMax: 5 })).toBeUndefined();
  expect(leastBusy([], unlimited)).toBeUndefined();
});
