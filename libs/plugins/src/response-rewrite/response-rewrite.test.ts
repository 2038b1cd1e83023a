import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { runPlugin, validConf, type UpstreamAnswer } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './response-rewrite.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const answered = (raw: object, upstream: UpstreamAnswer = {}) =>
  runPlugin(plugin, conf(raw), { upstream });

describe('response-rewrite', () => {
  test('replaces status and body, and forgets what described the old body', async () => {
    const run = await answered(
      { status_code: 201, body: 'new body\n' },
      {
        headers: { 'Content-Length': '11', 'Content-Encoding': 'gzip', ETag: 'x', 'X-A': 'b' },
        body: ['hello', ' world'],
      },
    );
    expect(run.status).toBe(201);
    expect(run.text).toBe('new body\n');
    expect(run.headers.toRaw()).toEqual(['X-A', 'b']);
  });

  test('replaces an empty body', async () => {
    expect((await answered({ body: 'new' }, { body: [] })).text).toBe('new');
    expect((await answered({ body: '' })).text).toBe('');
  });

  test('decodes a body in base64', async () => {
    const run = await answered({ body: 'SGVsbG8K', body_base64: true });
    expect(run.text).toBe('Hello\n');
  });

  test('leaves the body as it is without body or filters', async () => {
    const run = await answered({ status_code: 202 }, { headers: { 'Content-Length': '12' } });
    expect(run.text).toBe('hello world\n');
    expect(run.headers.get('Content-Length')).toBe('12');
  });

  test('rewrites only the responses that vars hold for', async () => {
    const raw = { vars: [['status', '==', 200]], body: 'rewritten', headers: { 'X-A': 'b' } };
    expect((await answered(raw)).text).toBe('rewritten');
    const missed = await answered(raw, { status: 404, body: 'as it was' });
    expect(missed.text).toBe('as it was');
    expect(missed.headers.size).toBe(0);
  });
});

test('response-rewrite leaves a response alone whose vars are too long to be matched', async () => {
  const raw = { vars: [['arg_a', '~~', '^(?=a)']], body: 'rewritten' };
  const requested = (length: number) =>
    runPlugin(plugin, conf(raw), { target: `/?a=${'a'.repeat(length)}` });
  expect((await requested(10)).text).toBe('rewritten');
  const long = await requested(1_000_000);
  expect(long.text).toBe('hello world\n');
  expect(long.log).toEqual([expect.stringContaining("failed to evaluate the 'vars' expression")]);
});

describe('response-rewrite of headers', () => {
  const upstream = { headers: { 'X-Old': '1', 'X-Gone': '1', 'Cache-Control': 'no-cache' } };

  test('sets headers in the old form', async () => {
    const run = await answered({ headers: { 'X-Old': 'new', 'X-Number': 3 } }, upstream);
    expect(run.headers.get('X-Old')).toBe('new');
    expect(run.headers.get('X-Number')).toBe('3');
  });

  test('adds, sets and removes in the new form', async () => {
    const headers = {
      add: ['Cache-Control: max-age=0', 'X-Addr:  $remote_addr'],
      set: { 'X-Old': '$arg_none?', 'X-Status': '${status}' },
      remove: ['X-Gone'],
    };
    const run = await answered({ headers }, upstream);
    expect(run.headers.toRaw()).toEqual([
      ...['X-Old', '?', 'Cache-Control', 'no-cache', 'Cache-Control', 'max-age=0'],
      ...['X-Addr', '127.0.0.1', 'X-Status', '200'],
    ]);
  });

  test('a line break in a variable begins no new header', async () => {
    const run = await runPlugin(plugin, conf({ headers: { set: { 'X-A': '$arg_a' } } }), {
      target: '/?a=b%0d%0aX-B: c',
    });
    expect(run.headers.toRaw()).toEqual(['X-A', 'b%0D%0AX-B: c']);
  });
});

describe('response-rewrite with filters', () => {
  const hello = { regex: 'hello', replace: 'test' };

  test('substitutes once or everywhere, over the edges of chunks', async () => {
    const upstream = { body: ['hel', 'lo hello'] };
    expect((await answered({ filters: [hello] }, upstream)).text).toBe('test hello');
    const everywhere = { ...hello, scope: 'global' };
    expect((await answered({ filters: [everywhere] }, upstream)).text).toBe('test test');
  });

  test('takes the end of a body to be before its last newline, too', async () => {
    const of = async (filter: object, body: string) =>
      (await answered({ filters: [{ replace: '*', ...filter }] }, { body })).text;
    expect(await of({ regex: '\\w\\S+$' }, 'hello world\n')).toBe('hello *\n');
    expect(await of({ regex: '\\w\\S+$', scope: 'global' }, 'hello world\n')).toBe('hello *\n');
    expect(await of({ regex: '\\s+$' }, 'hello \n')).toBe('hello*');
    expect(await of({ regex: 'o$' }, 'hello\n\n')).toBe('hello\n\n');
  });

  test('applies filters one by one, with captures and without regard to case', async () => {
    const filters = [
      { regex: '(\\w+) (\\w+)', replace: '$2 ${1}' },
      { regex: 'WORLD', replace: 'moon', options: 'joi' },
    ];
    expect((await answered({ filters })).text).toBe('moon hello\n');
  });

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('sees through %s, and sends the result plain', async (encoding, compress) => {
    const body = compress(Buffer.from('hello world'));
    const run = await answered(
      { filters: [hello] },
      { body: [body.subarray(0, 5), body.subarray(5)], headers: { 'Content-Encoding': encoding } },
    );
    expect(run.text).toBe('test world');
    expect(run.headers.has('Content-Encoding')).toBe(false);
  });

  test('lets an encoding pass that it does not know, and says so', async () => {
    const body = deflateSync('hello');
    const run = await answered(
      { filters: [hello] },
      { body, headers: { 'Content-Encoding': 'deflate' } },
    );
    expect(run.body).toEqual(body);
    expect(run.log).toEqual([
      'error: filters may not work as expected ' +
        'due to unsupported compression encoding type: deflate',
    ]);
  });

  test('does not unpack a body beyond the limit', async () => {
    const body = gzipSync(Buffer.alloc(100_000, 'hello'));
    const run = await answered(
      { filters: [hello], max_resp_body_size: 10_000 },
      { body, headers: { 'Content-Encoding': 'gzip' } },
    );
    expect(run.body).toEqual(body);
    expect(run.log).toEqual([expect.stringMatching(/^error: filters may not work as expected: /)]);
  });

  test('cuts a body off at the limit', async () => {
    const run = await answered(
      { filters: [hello], max_resp_body_size: 7 },
      { body: ['hello', 'world', 'and', 'more'] },
    );
    expect(run.text).toBe('testwo');
  });

  test('leaves bytes that are no UTF-8 as they are', async () => {
    const body = Buffer.from([0xff, 0xfe, ...Buffer.from('hello'), 0x80]);
    const run = await answered({ filters: [{ regex: 'hello', replace: 'ä' }] }, { body });
    expect(run.body).toEqual(Buffer.from([0xff, 0xfe, 0xc3, 0xa4, 0x80]));
  });
});

describe('response-rewrite refuses', () => {
  test.each([
    [{ status_code: 599 }, 'property "status_code" validation failed: expected 599 to be at most'],
    [{ body: 2 }, 'property "body" validation failed: wrong type: expected string, got number'],
    [{ body_base64: true }, 'invalid base64 content'],
    [{ body: 'not base64!', body_base64: true }, 'invalid base64 content'],
    [{ filters: [] }, 'expect array to have at least 1 items'],
    [
      { filters: [{ regex: 'l' }] },
      'property "filters" validation failed: failed to validate item 1: ' +
        'property "replace" is required',
    ],
    [
      { filters: [{ regex: 'hello', replace: 'x', options: 'h' }] },
      'regex "hello" validation failed: unknown flag "h" (flags "h")',
    ],
    [{ filters: [{ regex: 'hell(', replace: 'x' }] }, 'regex "hell(" validation failed: '],
    [{ vars: [['status', '===', 200]] }, "failed to validate the 'vars' expression: "],
    [{ headers: { add: ['X-A'] } }, 'property "headers" validation failed: object matches none'],
    [{ headers: { 'X-A': {} } }, 'invalid type as header value'],
  ])('%j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });

  test('a body and filters together', () => {
    expect(() => conf({ body: 'x', filters: [{ regex: 'a', replace: 'b' }] })).toThrow();
  });
});
