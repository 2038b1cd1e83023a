import { expect, test } from 'vitest';
import { readRequestHead, readTrailers } from './request-head.ts';

const LIMITS = { headBytesMax: 1000, headersMax: 5, targetBytesMax: 50 };
const HEAD = [':method', 'GET', ':scheme', 'https', ':path', '/a?b', ':authority', 'a.test:8443'];

function refusalOf(raw: readonly string[], limits = LIMITS): number | undefined {
  const head = readRequestHead(raw, limits);
  return 'reason' in head ? head.status : undefined;
}

test('a head is what an HTTP/1 request would have said', () => {
  const head = readRequestHead(
    [...HEAD, 'x-a', '1', 'cookie', 'a=1', 'x-a', '2', 'cookie', 'b=2', 'content-length', '12'],
    { ...LIMITS, headersMax: 10 },
  );
  if ('reason' in head) throw new Error(head.reason);
  expect(head).toMatchObject({ method: 'GET', target: '/a?b', contentLength: 12 });
  expect(head.headers.getAll('x-a')).toEqual(['1', '2']);
  expect(head.headers.getAll('cookie')).toEqual(['a=1; b=2']);
  expect(head.headers.getAll('host')).toEqual(['a.test:8443']);
  expect(head.headers.get('content-length')).toBe('12');
});

test('host stands in for :authority, and may say the same in other letters', () => {
  const bare = [...HEAD.slice(0, 6), 'host', 'b.test'];
  const head = readRequestHead(bare, LIMITS);
  expect('headers' in head && head.headers.getAll('host')).toEqual(['b.test']);
  expect(refusalOf([...HEAD, 'host', 'A.TEST:8443'])).toBeUndefined();
  expect(refusalOf([...HEAD, 'host', 'a.test'])).toBe(400);
});

test.each([
  ['an address', '127.0.0.1:80', undefined],
  ['an IPv6 address', '[::1]:80', undefined],
  ['userinfo', 'u:p@a.test', 400],
  ['a path', 'a.test/b', 400],
  ['a space', 'a test', 400],
  ['nothing', '', 400],
  ['a port of letters', 'a.test:http', 400],
  ['a percent sign', 'a%2etest', 400],
])(':authority may be a host and a port: %s', (_what, authority, status) => {
  expect(refusalOf([...HEAD.slice(0, 7), authority])).toBe(status);
});

test('limits: 431 for what is too much, 414 for a long target', () => {
  const six = Array.from({ length: 6 }, (_, i) => [`x-${i}`, '']).flat();
  expect(refusalOf([...HEAD, ...six])).toBe(431);
  expect(refusalOf([...HEAD, 'x-a', 'v'.repeat(900)])).toBe(431);
  const long = HEAD.map((part) => (part === '/a?b' ? `/${'p'.repeat(50)}` : part));
  expect(refusalOf(long)).toBe(414);
});

test.each([
  [['X-Upper', '1']],
  [['x a', '1']],
  [['', '1']],
  [['x-a', 'a\r\nb']],
  [['x-a', 'a\nb']],
  [['x-a', 'a\0b']],
  [['x-a', 'a\x7fb']],
  [['connection', 'close']],
  [['transfer-encoding', 'chunked']],
  [['upgrade', 'websocket']],
  [['te', 'trailers, gzip']],
  [['content-length', '1, 1']],
  [['content-length', '-1']],
  [['content-length', '99999999999999999']],
  [[':path', '/b']],
  [[':protocol', 'websocket']],
])('refused, were nghttp2 to let it through: %j', (field) => {
  expect(refusalOf([...HEAD, ...field])).toBe(400);
});

test('names with an underscore are dropped where the configuration says so', () => {
  const read = (underscoresInHeaders: boolean) => {
    const head = readRequestHead([...HEAD, 'x_a', '1'], { ...LIMITS, underscoresInHeaders });
    return 'headers' in head && head.headers.has('x_a');
  };
  expect([read(true), read(false)]).toEqual([true, false]);
});

test('OPTIONS may ask for *, CONNECT and TRACE are for nobody', () => {
  const head = (method: string, path: string) => [
    ':method',
    method,
    ...HEAD.slice(2, 5),
    path,
    ...HEAD.slice(6),
  ];
  expect(refusalOf(head('OPTIONS', '*'))).toBeUndefined();
  expect(refusalOf(head('GET', '*'))).toBe(400);
  expect(refusalOf(head('CONNECT', '/'))).toBe(405);
  expect(refusalOf(head('TRACE', '/'))).toBe(405);
});

test('trailers have no say in framing or routing', () => {
  const raw = [
    'grpc-status',
    '0',
    'content-length',
    '1',
    'host',
    'b',
    'x-bad',
    'a\nb',
    ':path',
    '/',
  ];
  expect(readTrailers(raw)?.toRaw()).toEqual(['grpc-status', '0']);
  expect(readTrailers(['host', 'b'])).toBeUndefined();
});
