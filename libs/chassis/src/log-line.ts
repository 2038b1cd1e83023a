/**
 * The text form of one line of JSON from pino, as nginx writes its error log:
 * `2026/11/22 09:00:00 [warn] data-plane#3: message, field: value`. Local time. Control characters
 * are escaped, so that what a client sent cannot forge a line.
 */
export function formatLogLine(json: string): string {
  const { time, level, service, message, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const head = `${formatTime(new Date(String(time)))} [${String(level)}] ${String(service)}:`;
  const tail = Object.entries(fields).map(([name, value]) => `, ${name}: ${formatField(value)}`);
  return `${escapeControls(`${head} ${String(message)}${tail.join('')}`)}\n`;
}

function formatTime(time: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}/${two(time.getMonth() + 1)}/${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

function formatField(value: unknown): string {
  if (typeof value === 'string') return value;
  // An Error as pino's serializer leaves it: the stack on one line, the innermost call first.
  if (typeof value === 'object' && value !== null && 'stack' in value) {
    return String(value.stack).replaceAll(/\n\s*/g, ' <- ');
  }
  return JSON.stringify(value);
}

function escapeControls(line: string): string {
  // U+2028 and U+2029 end lines too, for some readers.
  return line.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === '\t' ? ' ' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
