import { runPlugin, validConf } from '@polygate/testing';
import type { PluginRequest } from '@polygate/testing';
import { expect, test } from 'vitest';
import plugin from './grpc-web.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);
const MESSAGE = Buffer.from('00000000070a05776f726c64', 'hex');
const OK_TRAILERS = 'grpc-status:0\r\ngrpc-message:\r\n';

const run = (type: string | undefined, more: PluginRequest = {}, raw: object = {}) =>
  runPlugin(plugin, conf(raw), {
    ...{ method: 'POST', headers: type === undefined ? {} : { 'Content-Type': type } },
    upstream: { body: [MESSAGE, 'x'], headers: { 'Content-Length': '13' } },
    ...more,
  });

function frame(text: string): Buffer {
  const head = Buffer.from([0x80, 0, 0, 0, text.length]);
  return Buffer.concat([head, Buffer.from(text)]);
}

test.each(['application/grpc-web', 'application/grpc-web+proto'])(
  'passes bodies of %s on, and puts the trailers behind them',
  async (type) => {
    const upstream = { body: [MESSAGE, 'x'], trailers: { 'grpc-status': '0' } };
    const { upstreamRequest, headers, body } = await run(type, { body: MESSAGE, upstream });
    expect(upstreamRequest?.body).toEqual(MESSAGE);
    expect(upstreamRequest?.headers.get('content-type')).toBe('application/grpc');
    expect(headers.get('content-type')).toBe(type);
    expect(headers.has('content-length')).toBe(false);
    expect(body).toEqual(Buffer.concat([MESSAGE, Buffer.from('x'), frame(OK_TRAILERS)]));
  },
);

test.each(['application/grpc-web-text', 'application/grpc-web-text+proto'])(
  'decodes bodies of %s, and encodes each piece of the answer',
  async (type) => {
    const { upstreamRequest, text } = await run(type, {
      body: MESSAGE.toString('base64'),
      upstream: { body: [MESSAGE, 'x'], trailers: { 'grpc-status': '5', 'grpc-message': 'no' } },
    });
    expect(upstreamRequest?.body).toEqual(MESSAGE);
    const trailers = frame('grpc-status:5\r\ngrpc-message:no\r\n').toString('base64');
    expect(text).toBe(`${MESSAGE.toString('base64')}eA==${trailers}`);
  },
);

test('tells of a status that did not come, and of none where the head had it', async () => {
  const { body } = await run('application/grpc-web', { body: MESSAGE });
  expect(body.toString()).toContain(
    'grpc-status:2\r\ngrpc-message:upstream grpc status not received\r\n',
  );
  const early = await run('application/grpc-web-text', {
    body: MESSAGE.toString('base64'),
    upstream: { body: [], headers: { 'grpc-status': '13' } },
  });
  expect(early.text).toBe('');
});

test('answers the preflight with what the client may send', async () => {
  const { status, headers, text } = await run(undefined, { method: 'OPTIONS' });
  expect([status, text]).toEqual([204, '']);
  expect(headers.get('access-control-allow-methods')).toBe('POST');
  expect(headers.get('access-control-allow-origin')).toBe('*');
  expect(headers.get('access-control-expose-headers')).toBe('grpc-message,grpc-status');
  expect(headers.get('access-control-allow-headers')).toBe('content-type,x-grpc-web,x-user-agent');
  const raw = { cors_allow_headers: 'grpc-accept-encoding' };
  const own = await run(undefined, { method: 'OPTIONS' }, raw);
  expect(own.headers.get('access-control-allow-headers')).toBe('grpc-accept-encoding');
});

test.each([
  [405, { method: 'GET' }, 'application/grpc-web', 'request method: `GET` invalid'],
  [400, { body: 'x' }, 'application/json', 'request Content-Type: `application/json` invalid'],
  [400, { body: 'x' }, undefined, 'request Content-Type: `nil` invalid'],
  [400, {}, 'application/grpc-web', 'failed to read request body, err: nil'],
  [400, { body: '*' }, 'application/grpc-web-text', 'failed to decode request body'],
  [400, { body: 'four' }, 'application/grpc-web', 'failed to read request body, err: request'],
] as const)('answers %i to %j of %s', async (status, more, type, message) => {
  const got = await run(type, more, { max_req_body_size: 3 });
  expect([got.status, got.body.length]).toEqual([status, 0]);
  expect(got.headers.get('access-control-allow-origin')).toBe('*');
  expect(got.headers.get('content-type')).not.toBe('application/grpc-web');
  expect(got.log.join()).toContain(message);
});
