import { expect, test } from 'vitest';
import { FrameBatcher } from './frame-batcher.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('frames of one turn become one message, in order', async () => {
  const messages: number[][] = [];
  const batcher = new FrameBatcher<number>({ write: (frames) => messages.push(frames) > 0 });
  for (const frame of [1, 2, 3]) batcher.send(frame, 10);
  expect(messages).toEqual([]);
  await nextTurn();
  batcher.send(4, 10);
  await nextTurn();
  expect(messages).toEqual([[1, 2, 3], [4]]);
});

test('a message is closed at its size, and a frame above it travels alone', async () => {
  const messages: string[][] = [];
  const batcher = new FrameBatcher<string>({
    write: (frames) => messages.push(frames) > 0,
    batchBytesMax: 100,
  });
  batcher.send('a', 60);
  batcher.send('b', 40);
  batcher.send('huge', 500);
  batcher.send('c', 1);
  await nextTurn();
  expect(messages).toEqual([['a', 'b'], ['huge'], ['c']]);
  expect(batcher.backlogBytes).toBe(0);
});

test('nothing is written between a refusing write and drained', async () => {
  const messages: number[][] = [];
  let takes = false;
  const batcher = new FrameBatcher<number>({
    write: (frames) => {
      messages.push(frames);
      return takes;
    },
  });
  batcher.send(1, 10);
  await nextTurn();
  batcher.send(2, 10);
  batcher.send(3, 10);
  await nextTurn();
  expect(messages).toEqual([[1]]);
  expect(batcher.backlogBytes).toBe(20);
  takes = true;
  batcher.drained();
  expect(messages).toEqual([[1], [2, 3]]);
});

test('a closed batcher writes nothing', async () => {
  const messages: number[][] = [];
  const batcher = new FrameBatcher<number>({ write: (frames) => messages.push(frames) > 0 });
  batcher.send(1, 10);
  batcher.close();
  batcher.send(2, 10);
  await nextTurn();
  expect(messages).toEqual([]);
  expect(batcher.backlogBytes).toBe(0);
});
