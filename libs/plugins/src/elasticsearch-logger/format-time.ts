const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
];
const DAY_MS = 86_400_000;

/**
 * Lua's `os.date(format)` in the C locale: strftime's conversions in local time, in UTC after a leading
 * `!`. One that is not known stays as it is written. Undefined for `*t`, which is no text.
 */
export function formatTime(format: string, now: Date): string | undefined {
  const isUtc = format.startsWith('!');
  const conversions = isUtc ? format.slice(1) : format;
  if (conversions.startsWith('*t')) return undefined;
  // whatever stands on the clock of the place, read as UTC
  const offsetMs = isUtc ? 0 : now.getTimezoneOffset() * 60_000;
  const clock = new Date(now.getTime() - offsetMs);
  return expand(conversions, { clock, now, offsetMs });
}

interface Moment {
  readonly clock: Date;
  readonly now: Date;
  readonly offsetMs: number;
}

function expand(conversions: string, moment: Moment): string {
  return conversions.replace(/%[EO]?([A-Za-z%])/g, (written, letter: string) => {
    const longer = COMPOSED[letter];
    if (longer !== undefined) return expand(longer, moment);
    return CONVERSIONS[letter]?.(moment) ?? written;
  });
}

const COMPOSED: Readonly<Record<string, string | undefined>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
};

const CONVERSIONS: Readonly<Record<string, ((moment: Moment) => string) | undefined>> = {
  '%': () => '%',
  a: ({ clock }) => (DAYS[clock.getUTCDay()] ?? '').slice(0, 3),
  A: ({ clock }) => DAYS[clock.getUTCDay()] ?? '',
  b: ({ clock }) => (MONTHS[clock.getUTCMonth()] ?? '').slice(0, 3),
  B: ({ clock }) => MONTHS[clock.getUTCMonth()] ?? '',
  C: ({ clock }) => padded(Math.floor(clock.getUTCFullYear() / 100)),
  d: ({ clock }) => padded(clock.getUTCDate()),
  e: ({ clock }) => String(clock.getUTCDate()).padStart(2),
  g: ({ clock }) => padded(isoWeek(clock).year % 100),
  G: ({ clock }) => String(isoWeek(clock).year),
  h: ({ clock }) => (MONTHS[clock.getUTCMonth()] ?? '').slice(0, 3),
  H: ({ clock }) => padded(clock.getUTCHours()),
  I: ({ clock }) => padded(((clock.getUTCHours() + 11) % 12) + 1),
  j: ({ clock }) => String(dayOfYear(clock) + 1).padStart(3, '0'),
  m: ({ clock }) => padded(clock.getUTCMonth() + 1),
  M: ({ clock }) => padded(clock.getUTCMinutes()),
  n: () => '\n',
  p: ({ clock }) => (clock.getUTCHours() < 12 ? 'AM' : 'PM'),
  s: ({ now }) => String(Math.floor(now.getTime() / 1000)),
  S: ({ clock }) => padded(clock.getUTCSeconds()),
  t: () => '\t',
  u: ({ clock }) => String(clock.getUTCDay() || 7),
  U: ({ clock }) => padded(Math.floor((dayOfYear(clock) + 7 - clock.getUTCDay()) / 7)),
  V: ({ clock }) => padded(isoWeek(clock).week),
  w: ({ clock }) => String(clock.getUTCDay()),
  W: ({ clock }) => padded(Math.floor((dayOfYear(clock) + 7 - mondayIsZero(clock)) / 7)),
  y: ({ clock }) => padded(clock.getUTCFullYear() % 100),
  Y: ({ clock }) => String(clock.getUTCFullYear()),
  z: ({ offsetMs }) => zoneText(offsetMs),
  Z: ({ now, offsetMs }) => zoneName(now, offsetMs),
};

const padded = (value: number): string => String(value).padStart(2, '0');
const mondayIsZero = (clock: Date): number => (clock.getUTCDay() + 6) % 7;

/** From 0. */
function dayOfYear(clock: Date): number {
  return Math.floor((clock.getTime() - Date.UTC(clock.getUTCFullYear(), 0, 1)) / DAY_MS);
}

/** A week is of the year that its Thursday is of. */
function isoWeek(clock: Date): { readonly year: number; readonly week: number } {
  const thursday = new Date(clock.getTime() + (3 - mondayIsZero(clock)) * DAY_MS);
  return { year: thursday.getUTCFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}

/** `+0200`; JavaScript counts west of Greenwich as positive. */
function zoneText(offsetMs: number): string {
  const minutes = Math.abs(offsetMs) / 60_000;
  return `${offsetMs > 0 ? '-' : '+'}${padded(Math.floor(minutes / 60))}${padded(minutes % 60)}`;
}

function zoneName(now: Date, offsetMs: number): string {
  if (offsetMs === 0 && now.getTimezoneOffset() !== 0) return 'GMT';
  const format = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' });
  return format.formatToParts(now).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
