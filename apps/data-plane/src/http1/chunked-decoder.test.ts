import { describe, expect, it } from 'vitest';
import { ChunkedDecoder } from './chunked-decoder.ts';
import type { Http1Error } from './http1-error.ts';
import { everyByte } from './read-messages.harness.ts';

const LIMITS = { trailerBytesMax: 200, trailersMax: 3 };
const BEHIND = 'GET / HTTP/1.1';

interface Decoded {
  data: string;
  /** Where the body ended; undefined: it did not. */
  end: number | undefined;
  trailers: string[] | undefined;
  status: number | undefined;
}

/** Decodes pieces that lie in memory of their own, which is spoilt after each. */
function decodePieces(decoder: ChunkedDecoder, bytes: Buffer, cuts: readonly number[]): Decoded {
  const decoded: Decoded = { data: '', end: undefined, trailers: undefined, status: undefined };
  const onBodyBytes = (buffer: Buffer, from: number, to: number): boolean => {
    expect(to).toBeGreaterThan(from);
    decoded.data += buffer.toString('latin1', from, to);
    return true;
  };
  let from = 0;
  try {
    for (const to of [...cuts, bytes.length]) {
      const piece = Buffer.from(bytes.subarray(from, to));
      const end = decoder.decode(piece, 0, piece.length, { onBodyBytes });
      piece.fill(0x21);
      if (end !== -1) {
        decoded.end = from + end;
        decoded.trailers = decoder.trailers?.toRaw();
        return decoded;
      }
      from = to;
    }
  } catch (error) {
    decoded.status = (error as Http1Error).status;
  }
  return decoded;
}

const BODIES: readonly [name: string, body: string, data: string, trailers?: string[]][] = [
  ['no data', '0\r\n\r\n', ''],
  ['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello'],
  ['several chunks', '5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n', 'hello world'],
  [
    'hexadecimal sizes in both cases',
    'a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n',
    '0123456789abcdefghij',
  ],
  ['zeros before a size, and many at the end', '005\r\nhello\r\n000000\r\n\r\n', 'hello'],
  ['data that looks like a chunk', '7\r\n0\r\n\r\nab\r\n0\r\n\r\n', '0\r\n\r\nab'],
  ['a long chunk', `400\r\n${'x'.repeat(1_024)}\r\n0\r\n\r\n`, 'x'.repeat(1_024)],
  ['extensions', '5;a;b=c;d="e; \\" \xe9\tf"\r\nhello\r\n0;last\r\n\r\n', 'hello'],
  ['trailers', '1\r\nx\r\n0\r\nX-Sum: abc\r\ny:\r\n\r\n', 'x', ['X-Sum', 'abc', 'y', '']],
  [
    'trailers of which only some may be',
    '1\r\nx\r\n0\r\nContent-Length: 5\r\nX-Sum: 1\r\nTransfer-encoding: chunked\r\n\r\n',
    'x',
    ['X-Sum', '1'],
  ],
  ['only trailers that may not be', '0\r\nhost: b\r\nCookie: a\r\nAUTHORIZATION: c\r\n\r\n', ''],
  [
    'only trailers that describe content',
    '0\r\nContent-Type: a/b\r\ncontent-encoding: gzip\r\n\r\n',
    '',
  ],
];

const REFUSED: readonly [name: string, body: string, status?: number][] = [
  ['trailers past the limit of bytes', `0\r\nX: ${'a'.repeat(300)}\r\n\r\n`, 431],
  ['trailers that end past the limit of bytes', `0\r\nX: ${'a'.repeat(194)}\r\n\r\n`, 431],
  ['more trailers than allowed', '0\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n', 431],
  ['a size of 2^53', '20000000000000\r\n'],
  ['a size of 16 digits', '0000000000000001\r\n'],
  ['a line past 256 bytes', `1;${'a'.repeat(255)}\r\nx`],
  ['extensions past 16 KiB in all', `1;${'a'.repeat(250)}\r\nx\r\n`.repeat(66)],
  ['a backslash before the end of a line', '1;a="b\\\r\nx'],
  ['text behind a quoted value', '1;a="b"c\r\nx'],
];

describe('ChunkedDecoder', () => {
  it.each(BODIES)('reads %s: whole, byte by byte and cut anywhere', (_, body, data, trailers) => {
    const bytes = Buffer.from(body + BEHIND, 'latin1');
    const expected = { data, end: body.length, trailers, status: undefined };
    const decoder = new ChunkedDecoder(LIMITS);
    const cutsToTry = [[], everyByte(bytes), ...everyByte(bytes).map((cut) => [cut])];
    for (const cuts of cutsToTry) {
      expect(decodePieces(decoder, bytes, cuts)).toEqual(expected);
      decoder.reset();
      expect(decoder.trailers).toBeUndefined();
    }
  });

  it.each(REFUSED)('refuses %s: whole, byte by byte and cut anywhere', (_, body, status = 400) => {
    const bytes = Buffer.from(body, 'latin1');
    const tries = [[], everyByte(bytes)];
    if (bytes.length < 1_000) tries.push(...everyByte(bytes).map((cut) => [cut]));
    for (const cuts of tries) {
      expect(decodePieces(new ChunkedDecoder(LIMITS), bytes, cuts)).toMatchObject({ status });
    }
  });

  it('takes trailers that fill the limit to the byte', () => {
    const bytes = Buffer.from(`0\r\nX: ${'a'.repeat(193)}\r\n\r\n`);
    const decoded = decodePieces(new ChunkedDecoder(LIMITS), bytes, []);
    expect(decoded.trailers).toEqual(['X', 'a'.repeat(193)]);
  });

  it('takes a chunk line of 256 bytes, and the largest size', () => {
    const longest = Buffer.from(`1;${'a'.repeat(253)}\r\nx\r\n0\r\n\r\n`);
    expect(decodePieces(new ChunkedDecoder(LIMITS), longest, []).data).toBe('x');
    const largest = Buffer.from('1fffffffffffff\r\nhello');
    expect(decodePieces(new ChunkedDecoder(LIMITS), largest, [])).toMatchObject({
      data: 'hello',
      end: undefined,
      status: undefined,
    });
  });

  it('hands out each run of data once, without copying, and stops where the sink says', () => {
    const body = '5\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n';
    const bytes = Buffer.from(body + BEHIND);
    const decoder = new ChunkedDecoder(LIMITS);
    const runs: string[] = [];
    const onBodyBytes = (buffer: Buffer, from: number, to: number): boolean => {
      expect(buffer).toBe(bytes);
      runs.push(buffer.toString('latin1', from, to));
      return false;
    };
    expect(decoder.decode(bytes, 0, bytes.length, { onBodyBytes })).toBe(-2);
    expect(decoder.position).toBe('5\r\nhello'.length);
    expect(decoder.decode(bytes, decoder.position, bytes.length, { onBodyBytes })).toBe(-2);
    expect(runs).toEqual(['hello', ' world']);
    expect(decoder.decode(bytes, decoder.position, bytes.length, { onBodyBytes })).toBe(
      body.length,
    );
    expect(decoder.trailers?.toRaw()).toEqual(['X', 'y']);
  });

  it('goes on after a stop at the end of what it had', () => {
    const decoder = new ChunkedDecoder(LIMITS);
    const first = Buffer.from('5\r\nhel');
    const sink = { onBodyBytes: () => false };
    expect(decoder.decode(first, 0, first.length, sink)).toBe(-2);
    expect(decoder.position).toBe(first.length);
    expect(decoder.decode(first, first.length, first.length, sink)).toBe(-1);
    const rest = Buffer.from('lo\r\n0\r\n\r\n');
    expect(decoder.decode(rest, 0, rest.length, sink)).toBe(-2);
    expect(decoder.decode(rest, decoder.position, rest.length, sink)).toBe(rest.length);
  });

  it('is not used past the end of a body without a reset', () => {
    const decoder = new ChunkedDecoder(LIMITS);
    const body = Buffer.from('0\r\n\r\n0\r\n\r\n');
    const sink = { onBodyBytes: () => true };
    expect(decoder.decode(body, 0, body.length, sink)).toBe(5);
    expect(() => decoder.decode(body, 5, body.length, sink)).toThrow('reset comes first');
    decoder.reset();
    expect(decoder.decode(body, 5, body.length, sink)).toBe(10);
  });
});
