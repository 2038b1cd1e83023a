// Times as nginx writes them. Every line of an access log has several: those of the day are made once
// a second, and toFixed() would be a fifth of the line.

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

let second = -1;
let local = '';
let iso8601 = '';

/** `22/Nov/2026:09:05:07 +0100`, in the time zone of the process. */
export function timeLocal(nowMs = Date.now()): string {
  update(nowMs);
  return local;
}

/** `2026-11-22T09:05:07+01:00`. */
export function timeIso8601(nowMs = Date.now()): string {
  update(nowMs);
  return iso8601;
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** `Sunday, 22-Nov-2026 10:05:07 CET`: nginx's SSI dates. */
export function dateLocal(now = new Date()): string {
  const parts = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' }).formatToParts(now);
  const zone = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC';
  const day = `${two(now.getDate())}-${MONTHS[now.getMonth()]}-${now.getFullYear()}`;
  const clock = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  return `${DAYS[now.getDay()]}, ${day} ${clock} ${zone}`;
}

/** `Sunday, 22-Nov-2026 09:05:07 GMT`. */
export function dateGmt(now = new Date()): string {
  const [, date, month, year, clock] = now.toUTCString().split(' ');
  return `${DAYS[now.getUTCDay()]}, ${date}-${month}-${year} ${clock} GMT`;
}

const FRACTIONS = Array.from({ length: 1000 }, (_, ms) => `.${String(ms).padStart(3, '0')}`);

/** Seconds with three digits behind the point: `0.012`. Never negative, as clocks may be set back. */
export function secondsText(ms: number): string {
  const whole = Math.max(Math.round(ms), 0);
  return Math.floor(whole / 1000) + (FRACTIONS[whole % 1000] as string);
}

function update(nowMs: number): void {
  const nowSecond = Math.floor(nowMs / 1000);
  if (nowSecond === second) return;
  second = nowSecond;
  const now = new Date(nowMs);
  const offsetMin = -now.getTimezoneOffset();
  const sign = offsetMin < 0 ? '-' : '+';
  const zoneHours = two(Math.floor(Math.abs(offsetMin) / 60));
  const zoneMinutes = two(Math.abs(offsetMin) % 60);
  const clock = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  const day = two(now.getDate());
  const month = MONTHS[now.getMonth()] as string;
  const year = now.getFullYear();
  local = `${day}/${month}/${year}:${clock} ${sign}${zoneHours}${zoneMinutes}`;
  iso8601 = `${year}-${two(now.getMonth() + 1)}-${day}T${clock}${sign}${zoneHours}:${zoneMinutes}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
