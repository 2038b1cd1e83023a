import { expect, test } from 'vitest';
import { allocateTrafficCounts, TrafficCounts } from './traffic-counts.ts';

test('each worker sees its own counts and the sum of all', () => {
  const memory = allocateTrafficCounts(3);
  const [first, second] = [new TrafficCounts(memory, 0), new TrafficCounts(memory, 2)];
  first.add('accepted', 1);
  first.add('active', 1);
  first.add('requests', 5);
  second.add('accepted', 2);
  second.add('active', 2);
  second.add('requests', 1);
  second.add('underWay', 1);
  expect(first.own()).toMatchObject({ accepted: 1, active: 1, total: 5, writing: 0, waiting: 1 });
  expect(second.sum()).toEqual({
    accepted: 3,
    active: 3,
    handled: 3,
    reading: 0,
    total: 6,
    waiting: 2,
    writing: 1,
  });
});

test('what a worker had open that is replaced is closed; what it counted stays', () => {
  const memory = allocateTrafficCounts(1);
  const first = new TrafficCounts(memory, 0);
  first.add('accepted', 4);
  first.add('active', 4);
  const { accepted, active } = new TrafficCounts(memory, 0).sum();
  expect({ accepted, active }).toEqual({ accepted: 4, active: 0 });
});
