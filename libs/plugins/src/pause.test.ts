import { expect, test } from 'vitest';
import { pause } from './pause.ts';

test('a pause lasts as long as it should', async () => {
  const startedMs = performance.now();
  await pause(20, new AbortController().signal);
  // a timer may fire up to a millisecond early
  expect(performance.now() - startedMs).toBeGreaterThan(18);
});

test('a pause ends when nobody waits for the answer any more', async () => {
  const abort = new AbortController();
  const paused = pause(Infinity, abort.signal);
  abort.abort();
  await expect(paused).resolves.toBeUndefined();
  await expect(pause(Infinity, abort.signal)).resolves.toBeUndefined();
});
