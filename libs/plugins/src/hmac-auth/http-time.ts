const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** `Sun, 06 Nov 1994 08:49:37 GMT` and `Sunday, 06-Nov-94 08:49:37 GMT`. */
const WITH_COMMA = /^[A-Za-z]+, *(\d{2})[ -]([A-Za-z]{3})[ -](\d{4}|\d{2}) (\d{2}):(\d{2}):(\d{2})/;
/** `Sun Nov  6 08:49:37 1994`. */
const ASCTIME = /^[A-Za-z]{3} ([A-Za-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})/;

/** Seconds since the epoch of a time as RFC 9110 writes it (three forms), or undefined. */
export function parseHttpTime(text: string): number | undefined {
  const first = WITH_COMMA.exec(text);
  if (first !== null) {
    const [, day, month, year, ...clock] = first;
    return secondsOf(fullYear(year as string), month as string, Number(day), clock.map(Number));
  }
  const second = ASCTIME.exec(text);
  if (second === null) return undefined;
  const [, month, day, hour, minute, secondsText, year] = second;
  const clock = [hour, minute, secondsText].map(Number);
  return secondsOf(Number(year), month as string, Number(day), clock);
}

/** nginx takes 70 and above for the last century. */
function fullYear(year: string): number {
  if (year.length === 4) return Number(year);
  return Number(year) + (Number(year) < 70 ? 2000 : 1900);
}

function secondsOf(
  year: number,
  monthName: string,
  day: number,
  clock: readonly number[],
): number | undefined {
  const month = MONTHS.indexOf(monthName.toLowerCase());
  const [hour = 0, minute = 0, second = 0] = clock;
  const time = new Date(Date.UTC(year, month, day, hour, minute, second));
  // what does not exist, as the 31st of June or 25 o'clock, would roll over
  const isReal =
    month !== -1 && time.getUTCDate() === day && time.getUTCHours() === hour && minute < 60;
  return isReal ? time.getTime() / 1000 : undefined;
}
