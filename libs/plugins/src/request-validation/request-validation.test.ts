import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './request-validation.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const run = (raw: object, request: PluginRequest = {}) => runPlugin(plugin, conf(raw), request);

const BODY_SCHEMA = {
  type: 'object',
  required: ['required_payload'],
  properties: {
    required_payload: { type: 'string' },
    limit: { type: 'integer', default: 10 },
  },
};
const post = (body: string, headers: PluginRequest['headers'] = {}): PluginRequest => ({
  method: 'POST',
  body,
  headers,
});

describe('request-validation of headers', () => {
  const schema = {
    type: 'object',
    required: ['X-Name'],
    properties: { 'X-Name': { type: 'string', pattern: '^a' }, x_list: { type: 'array' } },
  };

  test('finds them however schema and client spell them', async () => {
    const headers = { 'x-NAME': 'abc', 'X-List': ['1', '2'] };
    expect((await run({ header_schema: schema }, { headers })).status).toBe(200);
  });

  test('finds those that a condition in the schema names', async () => {
    const header_schema = { anyOf: [{ required: ['X-A'] }, { not: { required: ['X-B'] } }] };
    expect((await run({ header_schema }, { headers: { 'x-b': '1' } })).status).toBe(400);
    const headers = { 'x-a': '1', 'x-b': '1' };
    expect((await run({ header_schema }, { headers })).status).toBe(200);
  });

  test('answers with the reason', async () => {
    const missing = await run({ header_schema: schema });
    expect(missing.status).toBe(400);
    expect(missing.text).toBe('property "X-Name" is required');
    const wrong = await run({ header_schema: schema }, { headers: { 'x-name': 'b' } });
    expect(wrong.text).toContain('property "X-Name" validation failed: failed to match pattern');
    expect(wrong.upstreamRequest).toBeUndefined();
  });

  test('answers with code and message of the conf', async () => {
    const { status, text, log } = await run({
      header_schema: schema,
      rejected_code: 505,
      rejected_msg: 'no',
    });
    expect([status, text]).toEqual([505, 'no']);
    expect(log).toEqual(['error: req schema validation failedproperty "X-Name" is required']);
  });
});

describe('request-validation of bodies', () => {
  test('sends on what was checked, with defaults', async () => {
    const { status, upstreamRequest } = await run(
      { body_schema: BODY_SCHEMA },
      post('{ "required_payload": 1, "required_payload": "last", "other": [] }'),
    );
    expect(status).toBe(200);
    expect(upstreamRequest?.body?.toString()).toBe(
      '{"required_payload":"last","other":[],"limit":10}',
    );
  });

  test.each([
    ['{"required_payload": 1}', /^property "required_payload" validation failed: wrong type/],
    ['{}', /^property "required_payload" is required$/],
    ['{', /^Expected object key string but found T_END at character 2$/],
    ['false', /./],
    [`${'['.repeat(1001)}${']'.repeat(1001)}`, /nested/],
  ])('refuses %s with the reason', async (body, reason) => {
    const refused = await run({ body_schema: BODY_SCHEMA }, post(body));
    expect(refused.status).toBe(400);
    expect(refused.text).toMatch(reason);
    expect(refused.upstreamRequest).toBeUndefined();
  });

  test('does not take brackets in a text for depth', async () => {
    const body = JSON.stringify({ required_payload: `"\\${'['.repeat(2000)}` });
    expect((await run({ body_schema: BODY_SCHEMA }, post(body))).status).toBe(200);
  });

  test('refuses a request without body', async () => {
    expect((await run({ body_schema: BODY_SCHEMA })).reply).toEqual({ status: 400 });
    expect((await run({ body_schema: BODY_SCHEMA }, post(''))).reply).toEqual({ status: 400 });
  });

  test('reads forms, and sends them on as they came', async () => {
    const type = 'Application/X-WWW-Form-Urlencoded; charset=utf-8';
    const body = 'required_payload=a+%62&x&y=1&y=%zz&=z';
    const passed = await run({ body_schema: BODY_SCHEMA }, post(body, { 'Content-Type': type }));
    expect(passed.status).toBe(200);
    expect(passed.upstreamRequest?.body?.toString()).toBe(body);
    const schema = {
      type: 'object',
      properties: {
        required_payload: { const: 'a b' },
        x: { const: true },
        y: { const: ['1', '%zz'] },
      },
      maxProperties: 3,
    };
    const exact = await run({ body_schema: schema }, post(body, { 'Content-Type': type }));
    expect(exact.status).toBe(200);
  });

  test('refuses two content types', async () => {
    const refused = await run(
      { body_schema: BODY_SCHEMA, rejected_msg: 'no' },
      post('{"required_payload":"a"}', { 'Content-Type': ['application/json', 'text/plain'] }),
    );
    expect([refused.status, refused.text]).toEqual([400, 'no']);
    expect(refused.log).toEqual(['error: duplicated Content-Type header']);
  });

  test('refuses a body over the limit', async () => {
    const limited = { body_schema: BODY_SCHEMA, max_req_body_size: 10 };
    const refused = await run(limited, post('{"required_payload": "a"}'));
    expect(refused.reply).toEqual({ status: 400 });
    expect(refused.log).toEqual([expect.stringMatching(/^error: failed to get body: /)]);
  });

  test('takes no field of the prototype for one of the client', async () => {
    const schema = { type: 'object', required: ['constructor'] };
    expect((await run({ body_schema: schema }, post('{}'))).status).toBe(400);
    expect((await run({ header_schema: schema })).status).toBe(400);
  });
});

test('request-validation takes a schema of a type that only Lua has, which nothing is of', async () => {
  const schema = { properties: { a: { type: 'function' } } };
  expect((await run({ body_schema: schema }, post('{"a":1}'))).status).toBe(400);
});

describe('request-validation refuses', () => {
  test.each([
    [{}, 'object matches none of the required'],
    [{ body_schema: { type: 'test' } }, 'invalid JSON type: test'],
    [{ header_schema: { type: 'test' } }, 'invalid JSON type: test'],
    [{ body_schema: { properties: { a: { enum: 'x' } } } }, 'table expected, got string'],
    [{ body_schema: { required: 'x' } }, 'table expected, got string'],
    [{ body_schema: {}, rejected_code: 10_000 }, 'expected 10000 to be at most 599'],
    [{ body_schema: {}, rejected_msg: 'x'.repeat(257) }, 'string too long'],
    [{ body_schema: {}, max_req_body_size: 0 }, 'expected 0 to be at least 1'],
  ])('%j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
