import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { secondsText } from './log-time.ts';

/** In a process of its own, for the time zone. */
function timesIn(zone: string, ms: number): unknown {
  const module = new URL('./log-time.ts', import.meta.url).href;
  const script = `import { timeIso8601, timeLocal } from '${module}';
    console.log(JSON.stringify([timeLocal(${ms}), timeIso8601(${ms}), timeLocal(${ms} + 1000)]));`;
  const args = ['--input-type=module', '-e', script];
  const { stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, TZ: zone },
  });
  return JSON.parse(stdout);
}

const WINTER = Date.UTC(2026, 0, 5, 3, 4, 59, 999);

test.each([
  ['UTC', '05/Jan/2026:03:04:59 +0000', '2026-01-05T03:04:59+00:00', '05/Jan/2026:03:05:00 +0000'],
  [
    'America/St_Johns',
    '04/Jan/2026:23:34:59 -0330',
    '2026-01-04T23:34:59-03:30',
    '04/Jan/2026:23:35:00 -0330',
  ],
  [
    'Asia/Kathmandu',
    '05/Jan/2026:08:49:59 +0545',
    '2026-01-05T08:49:59+05:45',
    '05/Jan/2026:08:50:00 +0545',
  ],
])('times are those of the zone %s', (zone, ...times) => {
  expect(timesIn(zone, WINTER)).toEqual(times);
});

test.each([
  [0, '0.000'],
  [7, '0.007'],
  [1234, '1.234'],
  [999.6, '1.000'],
  [-5, '0.000'],
  [1_795_351_704_303, '1795351704.303'],
])('%d ms are %s seconds', (ms, text) => {
  expect(secondsText(ms)).toBe(text);
});
