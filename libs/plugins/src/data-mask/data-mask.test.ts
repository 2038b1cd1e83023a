import { readableText } from '@polygate/plugin-sdk';
import { runPlugin, validConf } from '@polygate/testing';
import type { PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './data-mask.ts';
import { MASKED_BODY } from './masked-body.ts';

const CARD = { action: 'regex', regex: '(\\d+)-\\d+-\\d+-(\\d+)', value: '$1-****-****-$2' };
const STARS = { action: 'replace', value: '*****' };

const conf = (request: readonly object[], more: object = {}) =>
  validConf(plugin.definition, { request, ...more });

/** What loggers see after the plugin. */
async function seen(items: readonly object[], request: PluginRequest, more: object = {}) {
  const text = request.body === undefined ? {} : { vars: { request_body: String(request.body) } };
  const run = await runPlugin(plugin, conf(items, more), { ...text, ...request });
  return { ...run, body: run.ctx.get(MASKED_BODY)?.toString() };
}

describe('data-mask', () => {
  test('masks arguments, and the variables that logs are written with', async () => {
    const items = [
      { type: 'query', name: 'password', action: 'remove' },
      { type: 'query', name: 'token', ...STARS },
      { type: 'query', name: 'card', ...CARD },
    ];
    const target = '/hello?password=a&token=x&token=y&card=1-2-3-4&card=5-6-7-8&id=1';
    const { ctx, upstreamRequest } = await seen(items, { target });
    const uri = '/hello?token=*****&card=1-****-****-4&card=5-****-****-8&id=1';
    expect(ctx.vars.get('request_uri')).toBe(uri);
    expect(ctx.vars.get('request_line')).toBe(`GET ${uri} HTTP/1.1`);
    expect(ctx.request.getArguments()).toHaveLength(4);
    // the upstream got all of it
    expect(upstreamRequest?.query).toContain('password=a&token=x');
    const all = await seen(items.slice(0, 1), { target: '/hello?password=a' });
    expect(all.ctx.vars.get('request_uri')).toBe('/hello');
  });

  test('leaves alone what no rule is about', async () => {
    const items = [{ type: 'query', name: 'card', ...CARD }];
    const { ctx, log } = await seen(items, { target: '/hello?a=%20b&card=none' });
    expect(ctx.request.query).toBe('a=%20b&card=none');
    const flag = await seen(items, { target: '/hello?card' });
    expect(flag.log.join()).toContain('skipping regex for non-string value in field: card');
    expect(log).toEqual([]);
  });

  test('masks headers after the upstream has seen them', async () => {
    const items = [
      { type: 'header', name: 'Password', action: 'remove' },
      { type: 'header', name: 'X-Token', ...STARS },
      { type: 'header', name: 'card', ...CARD },
    ];
    const headers = { password: 'a', 'x-token': 'b', card: '1-2-3-4' };
    const { ctx, upstreamRequest } = await seen(items, { headers });
    expect(ctx.request.headers.has('password')).toBe(false);
    expect(ctx.request.headers.get('x-token')).toBe('*****');
    expect(ctx.vars.get('http_x_token')).toBe('*****');
    expect(ctx.request.headers.get('card')).toBe('1-****-****-4');
    expect(upstreamRequest?.headers.get('password')).toBe('a');
    const none = await seen(items, {});
    expect(none.ctx.request.headers.has('x-token')).toBe(false);
  });

  const field = (name: string, what: object) => ({
    ...{ type: 'body', body_format: 'urlencoded', name },
    ...what,
  });

  test('masks forms, no further than the limit on fields', async () => {
    const items = [
      field('password', { action: 'remove' }),
      field('token', STARS),
      field('card', CARD),
    ];
    const body = 'password=a&token=x&card=1-2-3-4&b=%C3%A4+c&d';
    expect((await seen(items, { body })).body).toBe(
      'token=*****&card=1-****-****-4&b=%C3%A4%20c&d',
    );
    const short = await seen(items, { body }, { max_req_post_args: 2 });
    expect(short.body).toBe('token=*****');
    expect(short.log.join()).toContain('post args truncated');
    expect((await seen(items, { body: 'id=1' })).body).toBeUndefined();
  });

  const json = (name: string, what: object) => ({
    ...{ type: 'body', body_format: 'json', name },
    ...what,
  });

  test('masks JSON by paths', async () => {
    const items = [
      json('$.password', { action: 'remove' }),
      json('$.users[*].token', STARS),
      json('$.users[*].card', CARD),
      json('$.list[0,1]', { action: 'remove' }),
    ];
    const users = [
      { token: 'a', card: '1-2-3-4' },
      { token: 'b', card: 5 },
    ];
    const body = JSON.stringify({ password: 'p', users, list: [1, 2, 3] });
    const { body: masked = '', log } = await seen(items, { body });
    expect(JSON.parse(readableText(masked))).toEqual({
      users: [
        { token: '*****', card: '1-****-****-4' },
        { token: '*****', card: 5 },
      ],
      list: [3],
    });
    expect(log.join()).toContain('skipping regex for non-string value at path: $.users[*].card');
  });

  test('tells of JSON that it cannot mask', async () => {
    const items = [json('$.a', STARS)];
    expect((await seen(items, { body: '{' })).log.join()).toContain('failed to decode json body');
    const large = await seen(items, { body: '{"a":"b"}' }, { max_body_size: 5 });
    expect(large.log.join()).toContain(
      "skipping body masking for field '$.a' because body size (9) exceeds max_body_size (5)",
    );
    expect((await seen(items, {})).body).toBeUndefined();
  });

  test('tells of a pattern that is none', async () => {
    const items = [{ type: 'query', name: 'a', action: 'regex', regex: '(', value: '' }];
    const { log } = await seen(items, { target: '/hello?a=1' });
    expect(log.join()).toContain('failed to apply regex substitution');
  });

  test.each([
    [{ type: 'body', name: 'a', action: 'remove' }],
    [{ type: 'query', name: 'a', action: 'replace' }],
    [{ type: 'query', name: 'a', action: 'regex', value: 'x' }],
  ])('refuses %j', (item) => {
    expect(() => conf([item])).toThrow('then clause did not match');
  });
});
