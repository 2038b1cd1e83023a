import { mountPlugin, runPlugin, validConf } from '@polygate/testing';
import type { PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './body-transformer.ts';

const run = (raw: object, request: PluginRequest = {}) =>
  runPlugin(plugin, validConf(plugin.definition, raw), request);

async function sent(template: string, request: PluginRequest, more: object = {}): Promise<string> {
  const { reply, upstreamRequest } = await run({ request: { template, ...more } }, request);
  return reply === undefined ? String(upstreamRequest?.body) : JSON.stringify(reply);
}

const posted = (type: string, body: string): PluginRequest => ({
  method: 'POST',
  headers: { 'Content-Type': type },
  body,
});
const part = (name: string, value: string): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const SOAP =
  '<?xml version="1.0"?><s:Envelope xmlns:s="http://x"><s:Body><!-- c --><n:Get n:id="7">' +
  '<n:tag>a &lt; b</n:tag><n:tag>c</n:tag><n:none/><n:raw><![CDATA[<x>]]></n:raw></n:Get></s:Body>' +
  '</s:Envelope>';

describe('body-transformer of requests', () => {
  test.each([
    ['JSON', posted('application/json', '{"a":[1,{"b":"x"}]}'), '{{a[2].b}}{{#a}}', 'x2'],
    [
      'XML',
      posted('text/xml', SOAP),
      '{* _escape_json(Envelope.Body.Get) *}',
      '{"_attr":{"id":"7"},"tag":["a < b","c"],"none":"","raw":"<x>"}',
    ],
    [
      'a form',
      posted('application/x-www-form-urlencoded', 'a=1+2&b=%C3%A9&b=y&c'),
      '{{a}}{{b[1]}}{{c}}',
      '1 2étrue',
    ],
    [
      'arguments of GET',
      { target: '/x?name=hello&age=20' },
      '{"n":"{{name}}","a":{{age+10}}}',
      '{"n":"hello","a":30}',
    ],
    [
      'multipart',
      posted(
        'multipart/form-data; boundary=B',
        `${part('n', 'Larry')}${part('l', '1')}${part('l', '2')}--B--`,
      ),
      '{{n}} {{l[2]}}',
      'Larry 2',
    ],
    ['a body of no format', posted('text/plain', 'raw'), '[{* _body *}]', '[raw]'],
    [
      'variables',
      { target: '/x?q=1', vars: { z: 'v' } },
      '{{_ctx.var.z}}{{_ctx.var.arg_q}}{{_ctx.none}}',
      'v1',
    ],
    [
      'Base64',
      posted('application/json', '{"a":1}'),
      Buffer.from('<{{a}}>').toString('base64'),
      '<1>',
    ],
  ])('%s', async (_, request, template, expected) => {
    expect(await sent(template, request)).toBe(expected);
  });

  test('changes the parts of a multipart body', async () => {
    const body = '--B\r\nContent-Disposition: form-data; name="age"\r\n\r\n19\r\n--B--\r\n';
    const template =
      '{% if tonumber(context.age) > 18 then context._multipart:set_simple("status", "major") end %}' +
      '{* _multipart:tostring() *}';
    const out = await sent(template, posted('multipart/related; boundary=B', body));
    expect(out).toContain('form-data; name="status"\r\n\r\nmajor\r\n--B--');
    expect(out).toContain('name="age"\r\n\r\n19\r\n');
  });

  test('a body cannot take the place of what templates are given', async () => {
    const body = JSON.stringify({ name: 'safe', _ctx: 'evil', _body: 'x', _escape_json: 'evil' });
    const template = '{*_escape_json(name)*}{{_ctx.var.zone}}';
    expect(await sent(template, posted('application/json', body))).toBe('"safe"');
  });

  test.each([
    ['{"a"', 'application/json', {}, 400, 'request body decode: '],
    ['<a><b></a>', 'text/xml', {}, 400, 'request body decode: XML Error - Unmatched Tag'],
    ['{"name":1}', 'application/json', { input_format: 'xml' }, 400, 'Error Parsing XML'],
    [
      '{"a":1}',
      'application/json',
      {},
      503,
      "request template rendering: attempt to call global 'a'",
    ],
  ])('%j as %s is refused', async (body, type, more, status, message) => {
    const { reply } = await run({ request: { template: '{{a()}}', ...more } }, posted(type, body));
    expect(reply?.status).toBe(status);
    expect((reply?.body as { message: string }).message).toContain(message);
  });

  test('refuses a body that is too large', async () => {
    const conf = { request: { template: 'x' }, max_req_body_size: 4 };
    expect((await run(conf, posted('text/plain', '12345'))).reply).toEqual({ status: 413 });
  });

  test('answers 503 for a template that is no Lua', async () => {
    const { reply } = await run({ request: { template: '{{1 +}}' } }, posted('text/plain', 'x'));
    expect(reply?.status).toBe(503);
  });
});

describe('body-transformer of responses', () => {
  test('makes another body, whatever pieces it came in', async () => {
    const template = '{% if Fault == nil then %}{"v":{{a}},"s":{{_ctx.var.status}}}{% end %}';
    const { text, headers } = await run(
      { response: { input_format: 'json', template } },
      {
        upstream: { headers: { 'Content-Length': '8', ETag: 'x' }, body: ['{"a"', ':42}'] },
        vars: { status: '200' },
      },
    );
    expect(text).toBe('{"v":42,"s":200}');
    expect(headers.has('Content-Length') || headers.has('ETag')).toBe(false);
  });

  test('puts out nothing, and logs, where the body is not what it should be', async () => {
    const { text, log } = await run(
      { response: { input_format: 'json', template: '{{a}}' } },
      { upstream: { body: 'no json' } },
    );
    expect(text).toBe('');
    expect(log[0]).toContain('response body decode: ');
  });
});

describe('the conf of body-transformer', () => {
  test.each([
    [{}, 'object matches none of the required'],
    [{ request: { template: '{% local f = function() end %}' } }, 'without functions'],
    [
      { response: { template: Buffer.from("{% require 'io' %}").toString('base64') } },
      "require 'io'",
    ],
  ])('%j is refused', (raw, message) => {
    expect(() => validConf(plugin.definition, raw)).toThrow(message);
  });

  test('prepares once for many requests', async () => {
    const conf = validConf(plugin.definition, {
      request: { template: '{% n = (n or 0) + 1 %}{{n}}' },
    });
    const mounted = mountPlugin(plugin, conf);
    await mounted.request(posted('text/plain', 'x'));
    const second = await mounted.request(posted('text/plain', 'x'));
    expect(String(second.upstreamRequest?.body)).toBe('1');
  });
});
