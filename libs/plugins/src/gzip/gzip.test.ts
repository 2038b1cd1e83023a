import { gunzipSync } from 'node:zlib';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { GzipWriter } from './gzip-writer.ts';
import plugin from './gzip.ts';

const TEXT = 'hello world, hello world, hello world';

function run(raw: object = {}, request: PluginRequest = {}, answer: object = {}) {
  return runPlugin(plugin, validConf(plugin.definition, raw), {
    headers: { 'Accept-Encoding': 'gzip' },
    upstream: { body: TEXT, headers: { 'Content-Type': 'text/html' }, ...answer },
    ...request,
  });
}

async function encoding(...parts: Parameters<typeof run>): Promise<string | undefined> {
  return (await run(...parts)).headers.get('Content-Encoding');
}

describe('gzip', () => {
  test('compresses, and says so', async () => {
    const { headers, body } = await run(
      {},
      {},
      {
        headers: {
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Length': '37',
          'Accept-Ranges': 'bytes',
          ETag: '"1"',
        },
        body: [TEXT.slice(0, 5), TEXT.slice(5)],
      },
    );
    expect(gunzipSync(body).toString()).toBe(TEXT);
    expect(headers.toRaw()).toEqual([
      ...['Content-Type', 'text/html; charset=utf-8', 'ETag', 'W/"1"'],
      ...['Content-Encoding', 'gzip'],
    ]);
  });

  test.each([
    ['gzip', 'gzip'],
    ['deflate, GZIP;q=0.5, br', 'gzip'],
    ['gzip,deflate', 'gzip'],
    ['br , gzip ; q=1', 'gzip'],
    ['gzip;q=0', undefined],
    ['gzip;q=0.00', undefined],
    ['deflate, br', undefined],
    ['*', undefined],
    ['xgzip', undefined],
    ['gzipx', undefined],
  ])('of Accept-Encoding %j makes %s', async (accepted, expected) => {
    expect(await encoding({}, { headers: { 'Accept-Encoding': accepted } })).toBe(expected);
  });

  test('leaves alone what is not asked for', async () => {
    expect(await encoding({}, { headers: {} })).toBeUndefined();
    const viaProxy = { headers: { 'Accept-Encoding': 'gzip', Via: '1.1 proxy' } };
    expect(await encoding({}, viaProxy)).toBeUndefined();
  });

  test('goes by the content type', async () => {
    const answer = (type?: string) => ({
      headers: type === undefined ? {} : { 'Content-Type': type },
    });
    const xml = { types: ['text/plain', 'text/xml'] };
    expect(await encoding(xml, {}, answer('text/xml;charset=utf-8'))).toBe('gzip');
    expect(await encoding(xml, {}, answer('text/html'))).toBeUndefined();
    expect(await encoding({ types: '*' }, {}, answer('video/3gpp'))).toBe('gzip');
    expect(await encoding({ types: '*' }, {}, answer())).toBeUndefined();
  });

  test('goes by the length where it is known', async () => {
    const sized = { headers: { 'Content-Type': 'text/html', 'Content-Length': '37' } };
    expect(await encoding({ min_length: 38 }, {}, sized)).toBeUndefined();
    expect(await encoding({ min_length: 37 }, {}, sized)).toBe('gzip');
    expect(await encoding({ min_length: 38 })).toBe('gzip');
  });

  test('goes by the version of HTTP', async () => {
    const old: PluginRequest = { vars: { server_protocol: 'HTTP/1.0' } };
    expect(await encoding({}, old)).toBeUndefined();
    expect(await encoding({ http_version: 1.0 }, old)).toBe('gzip');
    expect(await encoding({}, { vars: { server_protocol: 'HTTP/2.0' } })).toBe('gzip');
  });

  test.each([[204], [304], [500], [206]])('leaves an answer of %d alone', async (status) => {
    expect(await encoding({}, {}, { status })).toBeUndefined();
  });

  test('leaves HEAD alone, and what is compressed already', async () => {
    expect(await encoding({}, { method: 'HEAD' })).toBeUndefined();
    const headers = { 'Content-Type': 'text/html', 'Content-Encoding': 'br' };
    const { body, headers: sent } = await run({}, {}, { headers, body: 'compressed' });
    expect(sent.get('Content-Encoding')).toBe('br');
    expect(body.toString()).toBe('compressed');
  });

  test('tells caches, whether this answer is compressed or not', async () => {
    const varying = await run({ vary: true }, { headers: {} });
    expect(varying.headers.get('Vary')).toBe('Accept-Encoding');
    expect(varying.headers.has('Content-Encoding')).toBe(false);
  });

  test('drops an entity tag that cannot be made weak', async () => {
    const tagged = (etag: string) => ({ headers: { 'Content-Type': 'text/html', ETag: etag } });
    expect((await run({}, {}, tagged('12345'))).headers.has('ETag')).toBe(false);
    expect((await run({}, {}, tagged('W/"12"'))).headers.get('ETag')).toBe('W/"12"');
  });

  test.each([
    [{ types: [] }, 'property "types" validation failed'],
    [{ min_length: 0 }, 'expected 0 to be at least 1'],
    [{ comp_level: 10 }, 'expected 10 to be at most 9'],
    [{ http_version: 2 }, 'matches none of the enum values'],
    [{ buffers: { number: 0 } }, 'expected 0 to be at least 1'],
    [{ vary: 0 }, 'wrong type: expected boolean, got number'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => validConf(plugin.definition, raw)).toThrow(message);
  });
});

describe('a gzip writer', () => {
  /** Text with repetitions over long and short distances, and bytes without any. */
  const chunks = Array.from({ length: 40 }, (_none, i) =>
    i % 7 === 3
      ? crypto.getRandomValues(Buffer.alloc(i * 100))
      : Buffer.from(`${'line of text '.repeat(i ** 2)}${i}`),
  );

  test.each([1, 6, 9])('writes what gunzip reads, at level %d', (level) => {
    const writer = new GzipWriter(level);
    const pieces = chunks.map((chunk) => writer.write(chunk, false));
    pieces.push(writer.write(Buffer.alloc(0), true));
    expect(gunzipSync(Buffer.concat(pieces)).equals(Buffer.concat(chunks))).toBe(true);
  });

  test('delivers each chunk at once', () => {
    const writer = new GzipWriter(1);
    const partly = Buffer.concat([
      writer.write(Buffer.from('one '), false),
      writer.write(Buffer.from('two'), false),
    ]);
    // Z_SYNC_FLUSH: what is there so far, without an end
    expect(gunzipSync(partly, { finishFlush: 2 }).toString()).toBe('one two');
  });

  test('writes an empty body, and one in one piece', () => {
    expect(gunzipSync(new GzipWriter(1).write(Buffer.alloc(0), true)).length).toBe(0);
    expect(gunzipSync(new GzipWriter(1).write(Buffer.from(TEXT), true)).toString()).toBe(TEXT);
  });

  test('makes little of what was said in the chunk before', () => {
    const random = crypto.getRandomValues(Buffer.alloc(20_000));
    const writer = new GzipWriter(1);
    writer.write(random, false);
    expect(writer.write(Buffer.from(random), false).length).toBeLessThan(2000);
  });
});
