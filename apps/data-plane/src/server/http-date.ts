let second = 0;
let text = '';

/** The Date header of now, made once a second. */
export function httpDate(): string {
  const now = Date.now();
  if (now - second >= 1000) {
    second = now - (now % 1000);
    text = new Date(second).toUTCString();
  }
  return text;
}
