import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './mocking.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const run = (raw: object, request: PluginRequest = {}) => runPlugin(plugin, conf(raw), request);
const json = async (properties: object): Promise<unknown> =>
  JSON.parse((await run({ response_schema: { type: 'object', properties } })).text);

describe('mocking with an example', () => {
  test('answers with it in the place of the upstream', async () => {
    const { status, text, headers, upstreamRequest } = await run({
      response_example: 'hello $remote_addr $foo',
    });
    expect(status).toBe(200);
    expect(text).toBe('hello 127.0.0.1 ');
    expect(headers.toRaw()).toEqual([
      ...['Content-Type', 'application/json;charset=utf8', 'x-mock-by', 'APISIX/3.18.0'],
    ]);
    expect(upstreamRequest).toBeUndefined();
  });

  test('sends status, content type and headers of the conf', async () => {
    const { status, headers } = await run({
      response_example: '',
      response_status: 404,
      content_type: 'text/plain',
      with_mock_header: false,
      response_headers: { 'X-Route': '$route_id', 'X-Number': 1 },
    });
    expect(status).toBe(404);
    expect(headers.toRaw()).toEqual([
      ...['Content-Type', 'text/plain', 'X-Route', '1', 'X-Number', '1'],
    ]);
  });

  test('waits before it answers', async () => {
    const startedMs = performance.now();
    expect((await run({ response_example: 'late', delay: 1 })).text).toBe('late');
    expect(performance.now() - startedMs).toBeGreaterThan(998);
  });

  test('waits no longer than a negative delay', async () => {
    expect((await run({ response_example: 'now', delay: -1 })).text).toBe('now');
  });
});

describe('mocking by schema', () => {
  test('takes the examples of the schema', async () => {
    const properties = {
      text: { type: 'string', example: 'hello' },
      whole: { type: 'Integer', example: 4.7 },
      real: { type: 'number', example: 5.5 },
      yes: { type: 'boolean', example: true },
      empty: { type: 'object' },
      list: { type: 'array', items: { type: 'string', example: 'x' } },
      noItems: { type: 'array' },
      unknown: { type: 'null' },
    };
    expect(await json(properties)).toEqual({
      text: 'hello',
      whole: 4,
      real: 5.5,
      yes: true,
      empty: {},
      list: expect.toSatisfy(
        (list: string[]) => list.length >= 1 && list.length <= 3 && list.every((x) => x === 'x'),
      ),
    });
  });

  test('makes values up where there is no example of the right type', async () => {
    const properties = {
      text: { type: 'string', example: 5 },
      whole: { type: 'integer' },
      real: { type: 'number' },
      either: { type: 'boolean', example: false },
    };
    expect(await json(properties)).toEqual({
      text: expect.stringMatching(/^[a-z]{1,10}$/),
      whole: expect.toSatisfy(Number.isInteger),
      real: expect.any(Number),
      either: expect.any(Boolean),
    });
  });

  test('fills variables in that stand in the examples', async () => {
    const properties = { address: { type: 'string', example: '$remote_addr' } };
    expect(await json(properties)).toEqual({ address: '127.0.0.1' });
  });

  test('writes XML, with what would be taken for markup escaped', async () => {
    const { text } = await run({
      content_type: 'text/xml;charset=utf8',
      response_schema: {
        properties: {
          a: { type: 'string', example: '<b>&' },
          inner: { type: 'object', properties: { n: { type: 'number', example: 1.5 } } },
        },
      },
    });
    expect(text).toBe('<data>\n<a>&lt;b&gt;&amp;</a>\n<inner>\n<n>1.5</n>\n</inner>\n</data>');
  });

  test('makes no end of values neither in depth nor in number', async () => {
    let deep: object = { type: 'string' };
    for (let i = 0; i < 500; i++) deep = { type: 'array', items: deep };
    expect(await json({ deep })).toHaveProperty('deep');
    expect((await run({ response_schema: { properties: { deep } } })).text.length).toBeLessThan(
      200_000,
    );
  });

  test('has nothing to send as HTML', async () => {
    const html = { content_type: 'text/html', response_schema: { properties: {} } };
    expect((await run(html)).text).toBe('');
  });
});

describe('mocking refuses', () => {
  test.each([
    [{}, 'object matches none of the required'],
    [{ response_example: 'x', content_type: 'image/png' }, 'unsupported content type!'],
    [{ response_example: 'x', response_status: 99 }, 'expected 99 to be at least 100'],
    [{ response_example: 'x', response_headers: {} }, 'expect object to have at least 1'],
  ])('%j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
