/** Seeded mutations of HTTP messages: what a fuzzer needs, and the same again for the same seed. */

/** Pieces that mean something to a parser. */
const TOKENS = [
  ...[
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '\t',
    ':',
    ';',
    ',',
    '=',
    '"',
    '\\',
    '%',
    '#',
    '?',
  ],
  ...['0', '5', 'a', 'F', '+', '-', '/', '*', '@', '[', ']', '.', '\x7f', '\x80', '\xff', '\x0b'],
  ...['chunked', 'identity', 'gzip', 'close', 'keep-alive', 'upgrade', '100-continue', 'trailers'],
  ...[
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/2.0',
    'http://a',
    'GET ',
    'POST ',
    'CONNECT ',
    '200',
    '204',
    '101',
  ],
  ...[
    'Host: a\r\n',
    'Host: b:80\r\n',
    'Content-Length: 5\r\n',
    'Content-Length: 0\r\n',
    'X: y\r\n',
  ],
  ...['Transfer-Encoding: chunked\r\n', 'Connection: close\r\n', 'Connection: upgrade\r\n'],
  ...['Connection: keep-alive\r\n', 'Upgrade: websocket\r\n', 'Expect: 100-continue\r\n'],
  ...[
    'X_Y: z\r\n',
    ' folded\r\n',
    '0\r\n\r\n',
    '5\r\nhello\r\n',
    ';a=b',
    ';a="b c"',
    '\r\n\r\n0\r\n\r\n',
  ],
];

/** Numbers in [0, 1): mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One to four changes to one of the corpus. Strings are Latin-1: a character a byte. */
export function mutated(corpus: readonly string[], random: () => number): string {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  let text = pick(corpus);
  for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
    const at = Math.floor(random() * (text.length + 1));
    const length = 1 + Math.floor(random() ** 3 * 40);
    const before = text.slice(0, at);
    const after = text.slice(at);
    const kind = Math.floor(random() * 9);
    if (kind === 0) text = before + after.slice(length);
    else if (kind === 1) text = before + after.slice(0, length) + after;
    else if (kind === 2) text = before + pick(TOKENS) + after;
    else if (kind === 3) text = before + pick(TOKENS) + after.slice(1);
    else if (kind === 4) text = before + String.fromCharCode(random() * 256) + after.slice(1);
    else if (kind === 5) text = before + pick(corpus).slice(Math.floor(random() * 60));
    else if (kind === 6) text = before;
    else if (kind === 7) text = withLineMoved(text, random);
    else text = before + otherCase(after.slice(0, length)) + after.slice(length);
  }
  return text.slice(0, 4_000);
}

function withLineMoved(text: string, random: () => number): string {
  const lines = text.split('\r\n');
  const from = Math.floor(random() * lines.length);
  const to = Math.floor(random() * lines.length);
  const line = lines[from] as string;
  // half the time the line stays where it was as well
  if (random() < 0.5) lines.splice(from, 1);
  lines.splice(to, 0, line);
  return lines.join('\r\n');
}

function otherCase(text: string): string {
  return text.replace(/[a-z]/gi, (c) => (c < 'a' ? c.toLowerCase() : c.toUpperCase()));
}
