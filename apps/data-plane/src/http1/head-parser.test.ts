import { describe, expect, it } from 'vitest';
import { DESYNC_SHAPES } from './desync-shapes.ts';
import { RequestHeadParser, ResponseHeadParser } from './head-parser.ts';
import { Http1Error } from './http1-error.ts';
import { everyByte, LIMITS, readMessages } from './read-messages.harness.ts';

const LONG_FIELDS = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)',
  'accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'X-Tabs:\t a\tb \t ',
  'X-Empty:',
  'ACCEPT-LANGUAGE:en-GB',
  'X-Unknown-One: caf\xe9 \x80\xff',
  'Cookie: session=4f1c2b7e9a8d4c3b; theme=dark; consent=all',
  'te:trailers',
  'Via: 1.1 a',
  'A: 1',
  `X-Long: ${'0123456789'.repeat(40)}`,
];

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly minorVersion: number;
  readonly headers: readonly string[];
  readonly contentLength: number;
  readonly isChunked: boolean;
  readonly keepAlive: boolean;
  readonly expectsContinue: boolean;
  readonly upgrade: string | undefined;
  readonly headBytes: number;
  readonly isHttp2Preface: boolean;
}

const PLAIN: Omit<Seen, 'headBytes'> = {
  method: 'GET',
  target: '/',
  minorVersion: 1,
  headers: ['Host', 'a'],
  contentLength: -1,
  isChunked: false,
  keepAlive: true,
  expectsContinue: false,
  upgrade: undefined,
  isHttp2Preface: false,
};

const host = (...fields: string[]): string[] => ['Host', 'a', ...fields];
const get = (line: string, ...fields: string[]): string =>
  [line, 'Host: a', ...fields, '', ''].join('\r\n');

const READ: readonly [name: string, bytes: string, seen: Partial<Seen>][] = [
  ['a plain head', get('GET / HTTP/1.1'), {}],
  ['a query', get('GET /a?b=c HTTP/1.1'), { target: '/a?b=c' }],
  ['a fragment, as nginx', get('GET /a#b HTTP/1.1'), { target: '/a#b' }],
  ['high bytes in a target', get('GET /\xc3\xa9 HTTP/1.1'), { target: '/\xc3\xa9' }],
  ['absolute-form', get('GET http://b:80/c HTTP/1.1'), { target: 'http://b:80/c' }],
  ['absolute-form without a path', get('GET HTTPS://[::1] HTTP/1.1'), { target: 'HTTPS://[::1]' }],
  ['asterisk-form', get('OPTIONS * HTTP/1.1'), { method: 'OPTIONS', target: '*' }],
  ['an unknown method', get('M-SEARCH_X / HTTP/1.1'), { method: 'M-SEARCH_X' }],
  ['a method of 32 bytes', get(`${'A'.repeat(32)} / HTTP/1.1`), { method: 'A'.repeat(32) }],
  [
    'HTTP/1.0 without Host',
    'GET / HTTP/1.0\r\n\r\n',
    { minorVersion: 0, headers: [], keepAlive: false },
  ],
  [
    'HTTP/1.0 with keep-alive',
    'GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n',
    { minorVersion: 0, headers: ['connection', 'Keep-Alive'], keepAlive: true },
  ],
  [
    'HTTP/1.0, where 100 and Upgrade mean nothing',
    'GET / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n',
    {
      minorVersion: 0,
      headers: ['Expect', '100-continue', 'Connection', 'upgrade', 'Upgrade', 'a'],
      keepAlive: false,
    },
  ],
  ['one empty line before', `\r\n${get('GET / HTTP/1.1')}`, {}],
  ['two empty lines before', `\r\n\r\n${get('GET / HTTP/1.1')}`, {}],
  [
    'blanks around a value',
    get('GET / HTTP/1.1', 'X: \t a \t b \t '),
    { headers: host('X', 'a \t b') },
  ],
  ['an empty value', get('GET / HTTP/1.1', 'X:'), { headers: host('X', '') }],
  ['a blank value', get('GET / HTTP/1.1', 'X: \t '), { headers: host('X', '') }],
  [
    'high bytes in a value',
    get('GET / HTTP/1.1', 'X: \x80\xff'),
    { headers: host('X', '\x80\xff') },
  ],
  [
    'every token character in a name',
    get('GET / HTTP/1.1', "!#$%&'*+-.^_`|~09azAZ: b"),
    { headers: host("!#$%&'*+-.^_`|~09azAZ", 'b') },
  ],
  [
    'the same name several times',
    get('GET / HTTP/1.1', 'X: 1', 'x: 2', 'X: 3'),
    { headers: host('X', '1', 'x', '2', 'X', '3') },
  ],
  [
    'names that begin like ones that frame',
    get('GET / HTTP/1.1', 'Content-Length-X: 5', 'X-Content-Length: 6', 'Transfer-Encoding-: b'),
    { headers: host('Content-Length-X', '5', 'X-Content-Length', '6', 'Transfer-Encoding-', 'b') },
  ],
  [
    'Content-Length in odd case, with zeros before it',
    get('POST / HTTP/1.1', 'cOnTeNt-LeNgTh: 0042'),
    { method: 'POST', headers: host('cOnTeNt-LeNgTh', '0042'), contentLength: 42 },
  ],
  [
    'the largest Content-Length',
    get('POST / HTTP/1.1', 'Content-Length:999999999999999'),
    {
      method: 'POST',
      headers: host('Content-Length', '999999999999999'),
      contentLength: 999_999_999_999_999,
    },
  ],
  [
    'chunked in odd case',
    get('POST / HTTP/1.1', 'TrAnSFer-EnCODinG:\tcHuNkeD '),
    { method: 'POST', headers: host('TrAnSFer-EnCODinG', 'cHuNkeD'), isChunked: true },
  ],
  [
    'Connection: close among others',
    get('GET / HTTP/1.1', 'Connection: x, ,CLOSE ,keep-alive'),
    { headers: host('Connection', 'x, ,CLOSE ,keep-alive'), keepAlive: false },
  ],
  [
    'a word that only contains close',
    get('GET / HTTP/1.1', 'Connection: closed, close-not'),
    { headers: host('Connection', 'closed, close-not') },
  ],
  [
    'Expect: 100-continue',
    get('POST / HTTP/1.1', 'Expect: 100-Continue', 'Content-Length: 1'),
    {
      method: 'POST',
      headers: host('Expect', '100-Continue', 'Content-Length', '1'),
      contentLength: 1,
      expectsContinue: true,
    },
  ],
  [
    'an upgrade',
    get('GET / HTTP/1.1', 'Upgrade: WebSocket', 'Connection: keep-alive, Upgrade'),
    {
      headers: host('Upgrade', 'WebSocket', 'Connection', 'keep-alive, Upgrade'),
      upgrade: 'websocket',
    },
  ],
  [
    'Upgrade that Connection does not name',
    get('GET / HTTP/1.1', 'Upgrade: websocket'),
    { headers: host('Upgrade', 'websocket') },
  ],
  [
    'HTTP/2 preface',
    'PRI * HTTP/2.0\r\n\r\n',
    { method: 'PRI', target: '*', headers: [], isHttp2Preface: true },
  ],
  [
    'a head of many sizes of field',
    get('GET /long HTTP/1.1', ...LONG_FIELDS),
    {
      target: '/long',
      headers: host(
        ...LONG_FIELDS.flatMap((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
        }),
      ),
    },
  ],
];

const HOSTS = [
  '',
  'a',
  'A.b-c_d~e.',
  'a:',
  'a:80',
  '127.0.0.1:65535',
  '[::1]',
  '[::ffff:1.2.3.4]:443',
];

describe('RequestHeadParser', () => {
  describe.each(READ)('reads %s', (_, bytes, seen) => {
    const buffer = Buffer.from(bytes, 'latin1');
    const leading = bytes.length - bytes.replace(/^(\r\n)+/, '').length;
    const expected: Seen = { ...PLAIN, headBytes: buffer.length - leading, ...seen };
    const atEnd = buffer.length;

    it('whole', () => {
      const parser = new RequestHeadParser(LIMITS);
      expect(parser.parse(buffer, 0, atEnd)).toBe(atEnd);
      expect(seenBy(parser)).toEqual(expected);
    });

    it('whole, in the middle of other bytes, from the same buffer again and again', () => {
      const parser = new RequestHeadParser(LIMITS);
      const memory = Buffer.alloc(buffer.length + 2_000, 'x');
      for (let at = 0; at < 9; at++) {
        memory.fill('x');
        buffer.copy(memory, at);
        expect(parser.parse(memory, at, at + atEnd + 7)).toBe(at + atEnd);
        expect(seenBy(parser)).toEqual(expected);
        parser.reset();
        expect(parser.hasBegun).toBe(false);
      }
    });

    it('byte by byte, from memory that is used again', () => {
      const parser = new RequestHeadParser(LIMITS);
      const memory = Buffer.alloc(1);
      for (let i = 0; i < atEnd; i++) {
        memory[0] = buffer[i] as number;
        expect(parser.parse(memory, 0, 1)).toBe(i === atEnd - 1 ? 1 : -1);
        expect(parser.hasBegun).toBe(i >= leading);
      }
      expect(seenBy(parser)).toEqual(expected);
    });

    it('cut at every position, with the next message behind it', () => {
      const stream = Buffer.concat([buffer, Buffer.from('GET /next HTTP/1.1')]);
      const parser = new RequestHeadParser(LIMITS);
      for (let cut = 1; cut < atEnd; cut++) {
        expect(parser.parse(stream, 0, cut)).toBe(-1);
        expect(parser.parse(stream, cut, stream.length)).toBe(atEnd);
        expect(seenBy(parser)).toEqual(expected);
        parser.reset();
      }
    });
  });

  it.each(HOSTS)('takes Host "%s"', (value) => {
    const [message] = readMessages(
      Buffer.from(get('GET / HTTP/1.1').replace(' a', value)),
      'request',
    ).messages;
    expect(message?.headers).toEqual(['Host', value]);
  });

  it('drops names with underscores where it is told to, and keeps the rest', () => {
    const parser = new RequestHeadParser({ ...LIMITS, underscoresInHeaders: false });
    const head = Buffer.from(
      get('GET / HTTP/1.1', 'X_A: 1', 'Content_Length: 5', 'X-B: 2', '_: 3'),
    );
    expect(parser.parse(head, 0, head.length)).toBe(head.length);
    expect(parser.headers.toRaw()).toEqual(['Host', 'a', 'X-B', '2']);
    expect(parser.contentLength).toBe(-1);
  });

  it('gives each head a list of its own', () => {
    const parser = new RequestHeadParser(LIMITS);
    const first = Buffer.from(get('GET / HTTP/1.1', 'X: 1', 'Y: 2'));
    parser.parse(first, 0, first.length);
    const { headers } = parser;
    parser.reset();
    const second = Buffer.from(get('GET / HTTP/1.1', 'X: 3'));
    parser.parse(second, 0, second.length);
    expect(headers.toRaw()).toEqual(['Host', 'a', 'X', '1', 'Y', '2']);
    expect(parser.headers.toRaw()).toEqual(['Host', 'a', 'X', '3']);
  });

  it('tells which fields end at this hop', () => {
    const parser = new RequestHeadParser(LIMITS);
    const read = (field: string): boolean[] => {
      parser.reset();
      const head = Buffer.from(get('GET / HTTP/1.1', field));
      parser.parse(head, 0, head.length);
      return [parser.hasHopByHop, parser.hasNamedFields];
    };
    expect(read('Accept: a')).toEqual([false, false]);
    for (const name of ['Keep-Alive', 'proxy-connection', 'TE', 'Trailer', 'Upgrade']) {
      expect(read(`${name}: a`)).toEqual([true, false]);
    }
    expect(read('Connection: close, keep-alive, upgrade')).toEqual([true, false]);
    expect(read('Connection: x-internal')).toEqual([true, true]);
  });
});

describe('limits of RequestHeadParser', () => {
  const head = get('GET /target HTTP/1.1', 'X: 1', 'Y: 2');
  const refusal = (limits: Partial<typeof LIMITS>, cuts: (bytes: Buffer) => number[]): unknown => {
    const bytes = Buffer.from(head);
    const parser = new RequestHeadParser({ ...LIMITS, ...limits });
    let from = 0;
    try {
      for (const to of [...cuts(bytes), bytes.length]) {
        const done = parser.parse(bytes, from, to);
        if (done !== -1) return 'read';
        from = to;
      }
    } catch (error) {
      return (error as Http1Error).status;
    }
    return 'unfinished';
  };

  it.each([
    ['whole', (): number[] => []],
    ['byte by byte', everyByte],
  ] as const)('are exact to the byte and to the field, %s', (_, cuts) => {
    expect(refusal({ headBytesMax: head.length }, cuts)).toBe('read');
    expect(refusal({ headBytesMax: head.length - 1 }, cuts)).toBe(431);
    expect(refusal({ headersMax: 3 }, cuts)).toBe('read');
    expect(refusal({ headersMax: 2 }, cuts)).toBe(431);
    expect(refusal({ targetBytesMax: 7 }, cuts)).toBe('read');
    expect(refusal({ targetBytesMax: 6 }, cuts)).toBe(414);
  });

  it('count dropped fields as well', () => {
    const parser = new RequestHeadParser({ ...LIMITS, headersMax: 5, underscoresInHeaders: false });
    const many = Buffer.from(get('GET / HTTP/1.1', ...Array.from({ length: 9 }, () => 'a_b: c')));
    expect(() => parser.parse(many, 0, many.length)).toThrow(Http1Error);
  });

  it('refuse a wrong byte at once, before the line ends', () => {
    const parser = new RequestHeadParser(LIMITS);
    const begun = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nX: 1\n');
    expect(parser.parse(begun, 0, begun.length - 1)).toBe(-1);
    expect(() => parser.parse(begun, begun.length - 1, begun.length)).toThrow('LF without CR');
  });
});

const RESPONSES: readonly [bytes: string, status: number, length: number, rest: object][] = [
  ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 200, 5, { keepAlive: true }],
  ['HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', 200, 0, {}],
  ['HTTP/1.1 200 \r\n\r\n', 200, -1, { hasHopByHop: false }],
  ['HTTP/1.1 404 Nicht da, \xe4tsch\t!\r\n\r\n', 404, -1, {}],
  ['HTTP/1.0 200 OK\r\n\r\n', 200, -1, { minorVersion: 0, keepAlive: false }],
  ['HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n', 200, -1, { keepAlive: true }],
  [
    'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n',
    200,
    -1,
    { keepAlive: false, hasHopByHop: true },
  ],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', 200, -1, { isChunked: true }],
  ['HTTP/1.1 200 OK\r\nHost: a/b\r\nExpect: what\r\n\r\n', 200, -1, { isChunked: false }],
  [
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n',
    101,
    -1,
    { upgrade: 'websocket', hasHopByHop: true },
  ],
  ['HTTP/1.1 999 Most\r\nX_Y: z\r\n\r\n', 999, -1, { hasNamedFields: false }],
];

describe('ResponseHeadParser', () => {
  it.each(RESPONSES)(
    'reads %j, whole, byte by byte and cut anywhere',
    (bytes, status, length, rest) => {
      const buffer = Buffer.from(bytes, 'latin1');
      const expected = { status, contentLength: length, headBytes: buffer.length, ...rest };
      const parser = new ResponseHeadParser(LIMITS);
      expect(parser.parse(buffer, 0, buffer.length)).toBe(buffer.length);
      expect(parser).toMatchObject(expected);
      for (let cut = 1; cut < buffer.length; cut++) {
        parser.reset();
        expect(parser.parse(buffer, 0, cut)).toBe(-1);
        expect(parser.parse(buffer, cut, buffer.length)).toBe(buffer.length);
        expect(parser).toMatchObject(expected);
      }
      parser.reset();
      for (let i = 0; i < buffer.length - 1; i++) expect(parser.parse(buffer, i, i + 1)).toBe(-1);
      expect(parser.parse(buffer, buffer.length - 1, buffer.length)).toBe(buffer.length);
      expect(parser).toMatchObject(expected);
    },
  );

  it('has not begun before the first byte', () => {
    const parser = new ResponseHeadParser(LIMITS);
    expect(parser.parse(Buffer.alloc(0), 0, 0)).toBe(-1);
    expect(parser.hasBegun).toBe(false);
    parser.parse(Buffer.from('H'), 0, 1);
    expect(parser.hasBegun).toBe(true);
  });
});

describe('a desync shape', () => {
  it('exists at least 120 times, each under one name', () => {
    expect(DESYNC_SHAPES.length).toBeGreaterThanOrEqual(120);
    const names = DESYNC_SHAPES.map(({ side, name }) => `${side} ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(DESYNC_SHAPES)('is refused: $side, $name', ({ bytes, side, part, expected }) => {
    const buffer = Buffer.from(bytes, 'latin1');
    const whole = readMessages(buffer, side);
    expect(whole.error).toBeDefined();
    if (expected !== 'refused') expect(whole.error?.status).toBe(expected);
    // never as a message before it, and never as a whole one
    expect(whole.messages.map(({ isComplete }) => isComplete)).toEqual(
      part === 'head' ? [] : [false],
    );
    expect(readMessages(buffer, side, everyByte(buffer))).toEqual(whole);
    if (buffer.length > 1_000) return;
    for (const cut of everyByte(buffer)) expect(readMessages(buffer, side, [cut])).toEqual(whole);
  });
});

function seenBy(parser: RequestHeadParser): Seen {
  return {
    method: parser.method,
    target: parser.target,
    minorVersion: parser.minorVersion,
    headers: parser.headers.toRaw(),
    contentLength: parser.contentLength,
    isChunked: parser.isChunked,
    keepAlive: parser.keepAlive,
    expectsContinue: parser.expectsContinue,
    upgrade: parser.upgrade,
    headBytes: parser.headBytes,
    isHttp2Preface: parser.isHttp2Preface,
  };
}
