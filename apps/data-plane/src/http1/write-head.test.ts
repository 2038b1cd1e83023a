import { describe, expect, it } from 'vitest';
import { HeaderList, HOP_BY_HOP } from '@polygate/plugin-sdk';
import { readMessages } from './read-messages.harness.ts';
import { requestHeadText, responseHeadText, trailersText } from './write-head.ts';
import type { RequestHead, ResponseHead } from './write-head.ts';

const list = (...raw: string[]): HeaderList => HeaderList.fromRaw(raw);
const response = (changes: Partial<ResponseHead>): string =>
  responseHeadText({
    status: 200,
    reason: undefined,
    headers: list('X-A', 'b'),
    framing: 'length',
    contentLength: 5,
    keepAlive: true,
    upgrade: undefined,
    date: undefined,
    ...changes,
  });
const request = (changes: Partial<RequestHead>): string =>
  requestHeadText({
    method: 'GET',
    target: '/a?b',
    host: 'up:80',
    headers: list('X-A', 'b'),
    framing: 'none',
    contentLength: 0,
    keepAlive: true,
    upgrade: undefined,
    ...changes,
  });

const RESPONSES: readonly [name: string, changes: Partial<ResponseHead>, lines: string[]][] = [
  ['a length', {}, ['HTTP/1.1 200 OK', 'X-A: b', 'Content-Length: 5', 'Connection: keep-alive']],
  [
    'chunks',
    { framing: 'chunked' },
    ['HTTP/1.1 200 OK', 'X-A: b', 'Transfer-Encoding: chunked', 'Connection: keep-alive'],
  ],
  ['the end by closing', { framing: 'close' }, ['HTTP/1.1 200 OK', 'X-A: b', 'Connection: close']],
  [
    'nothing, as a 204',
    { status: 204, framing: 'none' },
    ['HTTP/1.1 204 No Content', 'X-A: b', 'Connection: keep-alive'],
  ],
  [
    'a close',
    { keepAlive: false, contentLength: 0 },
    ['HTTP/1.1 200 OK', 'X-A: b', 'Content-Length: 0', 'Connection: close'],
  ],
  [
    'a date',
    { date: 'Sun, 22 Nov 2026 12:00:00 GMT' },
    [
      'HTTP/1.1 200 OK',
      'X-A: b',
      'Date: Sun, 22 Nov 2026 12:00:00 GMT',
      'Content-Length: 5',
      'Connection: keep-alive',
    ],
  ],
  [
    'the date of the list',
    { date: 'now', headers: list('dAtE', 'then') },
    ['HTTP/1.1 200 OK', 'dAtE: then', 'Content-Length: 5', 'Connection: keep-alive'],
  ],
  [
    'an informational answer',
    { status: 103, framing: 'none', headers: list('Link', '</a>') },
    ['HTTP/1.1 103 Early Hints', 'Link: </a>'],
  ],
  [
    'a switch of protocols',
    { status: 101, framing: 'none', upgrade: 'websocket' },
    ['HTTP/1.1 101 Switching Protocols', 'X-A: b', 'Upgrade: websocket', 'Connection: upgrade'],
  ],
  [
    'a status without a name',
    { status: 599, framing: 'none' },
    ['HTTP/1.1 599 ', 'X-A: b', 'Connection: keep-alive'],
  ],
  [
    'a reason of its own',
    { reason: 'Fine', framing: 'none' },
    ['HTTP/1.1 200 Fine', 'X-A: b', 'Connection: keep-alive'],
  ],
];

const REQUESTS: readonly [name: string, changes: Partial<RequestHead>, lines: string[]][] = [
  ['no body', {}, ['GET /a?b HTTP/1.1', 'Host: up:80', 'X-A: b']],
  [
    'a length',
    { method: 'POST', framing: 'length', contentLength: 7 },
    ['POST /a?b HTTP/1.1', 'Host: up:80', 'X-A: b', 'Content-Length: 7'],
  ],
  [
    'chunks, and a close',
    { method: 'PUT', framing: 'chunked', keepAlive: false },
    [
      'PUT /a?b HTTP/1.1',
      'Host: up:80',
      'X-A: b',
      'Transfer-Encoding: chunked',
      'Connection: close',
    ],
  ],
  [
    'an upgrade',
    { upgrade: 'websocket' },
    ['GET /a?b HTTP/1.1', 'Host: up:80', 'X-A: b', 'Upgrade: websocket', 'Connection: upgrade'],
  ],
  [
    'a Host of its own, never of the list',
    { headers: list('Host', 'other', 'X-A', 'b', 'hOST', 'third') },
    ['GET /a?b HTTP/1.1', 'Host: up:80', 'X-A: b'],
  ],
];

/** What would end a line, and what a Latin-1 write would turn into such. */
const SPLITTING = ['a\r\nX: y', 'a\nb', 'a\rb', 'a\0b', '\r\n', '\u560a\r'];

describe('responseHeadText', () => {
  it.each(RESPONSES)('writes a head with %s', (_, changes, lines) => {
    expect(response(changes)).toBe(`${lines.join('\r\n')}\r\n\r\n`);
  });

  it('never takes framing or hop-by-hop fields from the list, in whatever case', () => {
    const names = [...HOP_BY_HOP, 'content-length'];
    const raw = names.flatMap((name) => [name, '1', name.toUpperCase(), '2']);
    expect(response({ headers: list(...raw, 'X-A', 'b') })).toBe(response({}));
  });

  it('keeps order, spelling and repetition', () => {
    const headers = list('set-cookie', 'a=b', 'X', '1', 'Set-Cookie', 'c=d', 'x', '');
    expect(response({ headers })).toContain(
      'set-cookie: a=b\r\nX: 1\r\nSet-Cookie: c=d\r\nx: \r\n',
    );
  });

  it.each(SPLITTING)('refuses %j in a value, a name, a reason and a protocol', (text) => {
    expect(() => response({ headers: list('X', text) })).toThrow(TypeError);
    expect(() => response({ headers: list(text, 'b') })).toThrow(TypeError);
    expect(() => response({ reason: text })).toThrow(TypeError);
    expect(() => response({ status: 101, upgrade: text })).toThrow(TypeError);
    expect(() => trailersText(list('X', text))).toThrow(TypeError);
    expect(() => trailersText(list(text, 'b'))).toThrow(TypeError);
  });

  it.each(['', 'a b', 'a:', ':a', 'a\t', 'caf\xe9', 'a\u010ab', '\u0258-length', '(a)'])(
    'refuses the name %j, also the second time',
    (name) => {
      expect(() => response({ headers: list(name, 'b') })).toThrow('header name is invalid');
      expect(() => response({ headers: list(name, 'b') })).toThrow('header name is invalid');
    },
  );

  it('writes characters beyond Latin-1 as UTF-8, never as the low half of their code', () => {
    // U+010D U+010A would be CR LF when cut down to a byte
    const text = response({ headers: list('X', 'a\u010d\u010aY: z', 'Z', '\u4f60') });
    const read = readMessages(Buffer.from(text, 'latin1'), 'response').messages[0];
    const value = Buffer.from(read?.headers[1] as string, 'latin1').toString('utf8');
    expect(value).toBe('a\u010d\u010aY: z');
    expect(read?.headers.length).toBe(8);
  });

  it.each([99, 1_000, 200.5, Number.NaN])('refuses the status %d', (status) => {
    expect(() => response({ status })).toThrow(TypeError);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuses the content length %d', (contentLength) => {
    expect(() => response({ contentLength })).toThrow(TypeError);
  });

  it('checks names that come after thousands of others', () => {
    for (let i = 0; i < 3_000; i++) {
      expect(response({ headers: list(`X-${i}`, 'b') })).toContain(`\r\nX-${i}: b\r\n`);
    }
    expect(() => response({ headers: list('X 1', 'b') })).toThrow(TypeError);
    expect(response({ headers: list('Connection', 'b', 'X-A', 'b') })).toBe(response({}));
  });
});

describe('requestHeadText', () => {
  it.each(REQUESTS)('writes a head with %s', (_, changes, lines) => {
    expect(request(changes)).toBe(`${lines.join('\r\n')}\r\n\r\n`);
  });

  it.each(['', '/a b', '/a\r\nX: y', '/a\tb', '/\0', '/\x7f', '/\u010a', '/\u0120'])(
    'refuses the target %j',
    (target) => {
      expect(() => request({ target })).toThrow('request target is invalid');
    },
  );

  it('lets bytes from 0x80 on pass in a target, as it does when it reads them', () => {
    expect(request({ target: '/\xc3\xa9' })).toContain('GET /\xc3\xa9 HTTP/1.1\r\n');
  });

  it.each(['', 'GET ', 'GET /x HTTP/1.1\r\nX:', 'G\u0145T'])('refuses the method %j', (method) => {
    expect(() => request({ method })).toThrow('method is invalid');
  });

  it.each(SPLITTING)('refuses %j in Host and in a value', (text) => {
    expect(() => request({ host: text })).toThrow(TypeError);
    expect(() => request({ headers: list('X', text) })).toThrow(TypeError);
  });

  it('writes what our own parser reads back', () => {
    const headers = list('Accept', '*/*', 'x-b', '', 'X-C', 'caf\xe9 "q"', 'X-C', '2');
    const text = request({ headers, framing: 'length', method: 'POST', contentLength: 2 });
    const [message] = readMessages(Buffer.from(`${text}ok`, 'latin1'), 'request').messages;
    const framed = ['Host', 'up:80', ...headers.toRaw(), 'Content-Length', '2'];
    expect(message).toMatchObject({ method: 'POST', target: '/a?b', headers: framed, body: 'ok' });
  });
});

describe('trailersText', () => {
  it('is an empty line without trailers, and their lines with it otherwise', () => {
    expect(trailersText(undefined)).toBe('\r\n');
    expect(trailersText(list())).toBe('\r\n');
    expect(trailersText(list('Connection', 'close', 'Content-Length', '5'))).toBe('\r\n');
    expect(trailersText(list('X', '1', 'grpc-status', '0'))).toBe('X: 1\r\ngrpc-status: 0\r\n\r\n');
  });
});
