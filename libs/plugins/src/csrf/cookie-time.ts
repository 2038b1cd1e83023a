const FOUR_DIGITS_FROM_YEAR = 2038;

/** The last one written: many answers go out in one second. */
let known = { seconds: Number.NaN, text: '' };

/** `Thu, 18-Nov-10 11:27:35 GMT`, of seconds since the epoch: ngx_http_cookie_time of nginx. */
export function cookieTime(seconds: number): string {
  if (known.seconds !== seconds) known = { seconds, text: writeTime(seconds) };
  return known.text;
}

function writeTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  // `Thu, 18 Nov 2010 11:27:35 GMT`
  const [weekday = '', day = '', month = '', year = '', time = ''] = date.toUTCString().split(' ');
  const shortYear = Number(year) < FOUR_DIGITS_FROM_YEAR ? year.slice(-2) : year;
  return `${weekday} ${day}-${month}-${shortYear} ${time} GMT`;
}
