import { expect, test } from 'vitest';
import { RespawnDelay } from './respawn-delay.ts';

test('the delay doubles up to its limit, spread by a fifth, until it is reset', () => {
  const delay = new RespawnDelay({ respawnDelayMsMin: 1000, respawnDelayMsMax: 30_000 });
  for (const middleMs of [1000, 2000, 4000, 8000, 16_000]) {
    const delayMs = delay.nextMs();
    expect(delayMs).toBeGreaterThanOrEqual(middleMs * 0.8);
    expect(delayMs).toBeLessThanOrEqual(middleMs * 1.2);
  }
  for (let run = 0; run < 20; run++) {
    const delayMs = delay.nextMs();
    expect(delayMs).toBeGreaterThanOrEqual(24_000);
    expect(delayMs).toBeLessThanOrEqual(30_000);
  }
  delay.reset();
  expect(delay.nextMs()).toBeLessThanOrEqual(1200);
});
