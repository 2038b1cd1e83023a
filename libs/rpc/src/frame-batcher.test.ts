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

interface Sent {
  readonly id: number;
  readonly name: string;
}

function withLanes() {
  const written: string[] = [];
  const pending: (() => void)[] = [];
  const batcher = new FrameBatcher<Sent>({
    write: (frames) => written.push(frames.map(({ name }) => name).join('+')) > 0,
    large: {
      bytesMin: 100,
      orderOf: ({ id }) => id,
      write: ({ name }, onWritten) => {
        pending.push(onWritten);
        return written.push(name) > 0;
      },
    },
  });
  return { written, pending, batcher };
}

test('small frames go before large ones, of which one at a time is in the stream', async () => {
  const { written, pending, batcher } = withLanes();
  batcher.send({ id: 1, name: 'LARGE1' }, 100);
  batcher.send({ id: 2, name: 'LARGE2' }, 200);
  batcher.send({ id: 3, name: 'small3' }, 1);
  expect(batcher.backlogBytes).toBe(301);
  await nextTurn();
  expect(written).toEqual(['small3', 'LARGE1']);
  batcher.send({ id: 4, name: 'small4' }, 1);
  await nextTurn();
  expect(written).toEqual(['small3', 'LARGE1', 'small4']);
  pending.shift()?.();
  batcher.send({ id: 5, name: 'small5' }, 1);
  await nextTurn();
  expect(written).toEqual(['small3', 'LARGE1', 'small4', 'small5', 'LARGE2']);
  expect(batcher.backlogBytes).toBe(0);
});

test('a small frame never overtakes a large one of the same number', async () => {
  const { written, pending, batcher } = withLanes();
  batcher.send({ id: 1, name: 'LARGE1' }, 100);
  batcher.send({ id: 2, name: 'LARGE2' }, 100);
  batcher.send({ id: 2, name: 'after2' }, 1);
  batcher.send({ id: 3, name: 'small3' }, 1);
  for (let turn = 0; turn < 4; turn += 1) {
    await nextTurn();
    pending.shift()?.();
  }
  expect(written).toEqual(['small3', 'LARGE1', 'LARGE2', 'after2']);
  batcher.send({ id: 2, name: 'small2' }, 1);
  await nextTurn();
  expect(written.at(-1)).toBe('small2');
});

test('large frames wait for a stream that takes no more, too', async () => {
  const written: string[] = [];
  let takes = false;
  const batcher = new FrameBatcher<Sent>({
    write: () => takes,
    large: {
      bytesMin: 100,
      orderOf: ({ id }) => id,
      write: ({ name }) => written.push(name) > 0,
    },
  });
  batcher.send({ id: 3, name: 'small' }, 1);
  batcher.send({ id: 1, name: 'LARGE' }, 100);
  await nextTurn();
  expect(written).toEqual([]);
  takes = true;
  batcher.drained();
  expect(written).toEqual(['LARGE']);
});
