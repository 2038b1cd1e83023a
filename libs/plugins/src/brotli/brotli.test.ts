import { brotliDecompressSync } from 'node:zlib';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { brotliSettings, BrotliWriter } from './brotli-writer.ts';
import plugin from './brotli.ts';

const TEXT = 'hello world, hello world, hello world';
const conf = (raw: object = {}) => validConf(plugin.definition, raw);

function run(raw: object = {}, request: PluginRequest = {}, answer: object = {}) {
  return runPlugin(plugin, conf(raw), {
    headers: { 'Accept-Encoding': 'br' },
    upstream: { body: TEXT, headers: { 'Content-Type': 'text/html' }, ...answer },
    ...request,
  });
}

async function encoding(...parts: Parameters<typeof run>): Promise<string | undefined> {
  return (await run(...parts)).headers.get('Content-Encoding');
}

describe('brotli', () => {
  test('compresses, and says so', async () => {
    const headers = { 'Content-Type': 'text/html', 'Content-Length': '37', ETag: '"1"' };
    const answer = { headers, body: [TEXT.slice(0, 5), TEXT.slice(5)] };
    const response = await run({ vary: true }, {}, answer);
    expect(brotliDecompressSync(response.body).toString()).toBe(TEXT);
    expect(response.headers.toRaw()).toEqual([
      ...['Content-Type', 'text/html', 'ETag', 'W/"1"'],
      ...['Vary', 'Accept-Encoding', 'Content-Encoding', 'br'],
    ]);
  });

  test.each([
    ['br', 'br'],
    ['*', 'br'],
    ['gzip, br', 'br'],
    ['gzip;q=0.8, *', 'br'],
    ['gzip;q=0.8,br;q=0.1', 'br'],
    ['gzip', undefined],
    ['gzip, br;q=0', undefined],
    ['gzip, deflate', undefined],
  ])('of Accept-Encoding %j makes %s', async (accepted, expected) => {
    expect(await encoding({}, { headers: { 'Accept-Encoding': accepted } })).toBe(expected);
  });

  test('leaves alone what is not to be compressed', async () => {
    expect(await encoding({}, { headers: {} })).toBeUndefined();
    expect(await encoding({}, { method: 'HEAD' })).toBeUndefined();
    expect(await encoding({ min_length: 38 }, {}, sized(37))).toBeUndefined();
    expect(await encoding({ types: ['text/xml'] })).toBeUndefined();
    const gzipped = { headers: { 'Content-Type': 'text/html', 'Content-Encoding': 'gzip' } };
    expect(await encoding({}, {}, gzipped)).toBe('gzip');
  });

  test('leaves a body to gzip that is too large, and holds back no events', async () => {
    expect(await encoding({}, {}, sized(262_145))).toBeUndefined();
    expect(await encoding({}, {}, sized(262_144))).toBe('br');
    const events = { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' } };
    expect(await encoding({ types: '*' }, {}, events)).toBeUndefined();
  });

  test.each([
    [{ mode: 3 }, 'expected 3 to be at most 2'],
    [{ comp_level: 12 }, 'expected 12 to be at most 11'],
    [{ lgwin: 9 }, 'matches none of the enum values'],
    [{ lgblock: 15 }, 'matches none of the enum values'],
    [{ types: '' }, 'property "types" validation failed'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });

  function sized(bytes: number) {
    return { headers: { 'Content-Type': 'text/html', 'Content-Length': String(bytes) } };
  }
});

describe('a brotli writer', () => {
  const chunks = (sizes: readonly number[]): Buffer[] =>
    sizes.map((size, i) => Buffer.alloc(size, `chunk ${i} of some text, `));

  test.each([
    ['nothing', []],
    ['one byte', [1]],
    ['less than the limit', [1000, 20_000]],
    ['exactly the limit', [65_536]],
    ['the limit and a byte', [65_535, 2]],
    ['much more than the limit', [200_000, 1, 65_536, 0, 131_073]],
  ])('writes what can be read again: %s', (_what, sizes) => {
    for (const level of [0, 10, 11]) {
      const settings = { ...brotliSettings(conf({ comp_level: level })), bytesMax: 65_536 };
      const writer = new BrotliWriter(settings);
      const body = chunks(sizes);
      const pieces = body.map((chunk) => writer.write(chunk, false));
      pieces.push(writer.write(Buffer.alloc(0), true));
      const read = brotliDecompressSync(Buffer.concat(pieces));
      expect(read.equals(Buffer.concat(body))).toBe(true);
    }
  });

  test('passes on at once what comes after the limit', () => {
    const writer = new BrotliWriter({ ...brotliSettings(conf()), bytesMax: 10 });
    expect(writer.write(Buffer.alloc(9), false).length).toBe(0);
    expect(writer.write(Buffer.alloc(9), false).length).toBeGreaterThan(0);
    expect(writer.write(Buffer.from('at once'), false).toString()).toContain('at once');
  });
});
