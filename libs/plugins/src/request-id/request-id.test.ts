import { runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { ksuid } from './ksuid.ts';
import plugin from './request-id.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('request-id', () => {
  test('gives a request an id, which upstream and client both see', async () => {
    const run = await runPlugin(plugin, conf());
    const id = run.upstreamRequest?.headers.get('X-Request-Id');
    expect(id).toMatch(UUID);
    expect(run.headers.get('X-Request-Id')).toBe(id);
    expect(run.ctx.vars.get('apisix_request_id')).toBe(id);
  });

  test('keeps the id that the client sends', async () => {
    const run = await runPlugin(plugin, conf(), { headers: { 'x-request-id': 'mine' } });
    expect(run.upstreamRequest?.headers.get('X-Request-Id')).toBe('mine');
    expect(run.headers.get('X-Request-Id')).toBe('mine');
  });

  test('replaces an empty id', async () => {
    const run = await runPlugin(plugin, conf(), { headers: { 'x-request-id': '' } });
    expect(run.upstreamRequest?.headers.getAll('X-Request-Id')).toEqual([
      expect.stringMatching(UUID),
    ]);
  });

  test('leaves an id that the upstream answers with', async () => {
    const run = await runPlugin(plugin, conf(), {
      upstream: { headers: { 'X-Request-Id': 'theirs' } },
    });
    expect(run.headers.getAll('X-Request-Id')).toEqual(['theirs']);
  });

  test('says nothing to the client with include_in_response off', async () => {
    const run = await runPlugin(plugin, conf({ include_in_response: false }));
    expect(run.headers.has('X-Request-Id')).toBe(false);
    expect(run.upstreamRequest?.headers.has('X-Request-Id')).toBe(true);
  });

  test.each([
    ['nanoid', /^[-_0-9a-zA-Z]{21}$/],
    ['ksuid', /^[0-9a-zA-Z]{27}$/],
    ['uuidv7', /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/],
    ['range_id', /^[0-9a-zA-Z]{16}$/],
  ])('makes a new %s for every request', async (algorithm, shape) => {
    const ids = new Set<string | undefined>();
    for (let i = 0; i < 20; i++) {
      const run = await runPlugin(plugin, conf({ algorithm, header_name: 'X-Id' }));
      ids.add(run.headers.get('X-Id'));
    }
    expect(ids.size).toBe(20);
    for (const id of ids) expect(id).toMatch(shape);
  });

  test('makes a range_id of the given length and characters', async () => {
    const rangeId = { algorithm: 'range_id', range_id: { length: 40, char_set: 'abcdef' } };
    const run = await runPlugin(plugin, conf(rangeId));
    expect(run.headers.get('X-Request-Id')).toMatch(/^[a-f]{40}$/);
  });

  test('a ksuid is the known one for a known time and payload', () => {
    // the example of the format's specification
    const payload = Buffer.from('B5A1CD34B5F99D1154FB6853345C9735', 'hex');
    expect(ksuid((1_400_000_000 + 107_608_047) * 1000, payload)).toBe(
      '0ujtsYcgvSTl8PAuAdqWYSMnLOv',
    );
  });

  test('refuses what would make no usable id', () => {
    expect(() => conf({ algorithm: 'md5' })).toThrow('matches none of the enum values');
    expect(() => conf({ range_id: { length: 5 } })).toThrow('expected 5 to be at least 6');
    expect(() => conf({ range_id: { length: 5000 } })).toThrow('at most 4096');
    expect(() => conf({ range_id: { char_set: 'abc\r\ndef' } })).toThrow('printable ASCII');
  });
});
