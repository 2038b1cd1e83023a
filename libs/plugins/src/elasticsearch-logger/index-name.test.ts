import { memoryLog } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { formatTime } from './format-time.ts';
import { IndexName } from './index-name.ts';

const vars = { get: (name: string) => ({ host: 'a.test', x: 'y' })[name], set: () => undefined };
const at = Date.UTC(2026, 0, 4, 15, 5, 9);

describe('the name of an index', () => {
  test.each([
    ['services', 'services'],
    ['services-{!%Y.%m.%d}', 'services-2026.01.04'],
    ['{!%Y}-$host-${x}', '2026-a.test-y'],
    ['${host}-{!%H}', 'a.test-15'],
    ['services-$nothing', 'services-'],
    ['{}', ''],
  ])('%s is %s', (written, expected) => {
    expect(new IndexName(written, memoryLog()).resolve(vars, at)).toBe(expected);
  });

  test('follows the clock', () => {
    const name = new IndexName('s-{!%H%M%S}', memoryLog());
    expect([at, at + 400, at + 1000].map((ms) => name.resolve(vars, ms))).toEqual([
      's-150509',
      's-150509',
      's-150510',
    ]);
  });

  test('leaves out a time that is no text, and says so', () => {
    const log = memoryLog();
    expect(new IndexName('s-{*t}', log).resolve(vars, at)).toBe('s-');
    expect(log.lines).toEqual(['error: failed to parse time format: *t']);
  });
});

describe('formatTime', () => {
  const utc = (format: string, ms = at): string | undefined =>
    formatTime(`!${format}`, new Date(ms));

  test.each([
    ['%a %A %b %B %h', 'Sun Sunday Jan January Jan'],
    ['%d/%e/%j', '04/ 4/004'],
    ['%I:%M:%S %p', '03:05:09 PM'],
    ['%y %C %Y', '26 20 2026'],
    ['%D %F %R %T %x %X', '01/04/26 2026-01-04 15:05 15:05:09 01/04/26 15:05:09'],
    ['%c', 'Sun Jan  4 15:05:09 2026'],
    ['%u %w %U %W %V %G %g', '7 0 01 00 01 2026 26'],
    ['%s %z %%', `${at / 1000} +0000 %`],
    ['%Ey %Od', '26 04'],
    ['%Q %', '%Q %'],
  ])('%s', (format, expected) => {
    expect(utc(format)).toBe(expected);
  });

  test('a week is of the year that its Thursday is of', () => {
    expect(utc('%G-%V', Date.UTC(2027, 0, 1))).toBe('2026-53');
    expect(utc('%G-%V', Date.UTC(2024, 11, 30))).toBe('2025-01');
  });

  test('is local without an exclamation mark', () => {
    const now = new Date(at);
    expect(formatTime('%H', now)).toBe(String(now.getHours()).padStart(2, '0'));
    expect(formatTime('%z', now)).toMatch(/^[+-]\d{4}$/);
    expect(formatTime('%Z', now)).not.toBe('');
  });
});
