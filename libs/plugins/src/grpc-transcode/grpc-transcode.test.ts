import { runPlugin, validConf } from '@polygate/testing';
import type { PluginRequest } from '@polygate/testing';
import { expect, test } from 'vitest';
import plugin from './grpc-transcode.ts';

const CONTENT = `
  syntax = "proto3"; package p;
  service S { rpc M (A) returns (A); }
  message A { string text = 1; repeated string list = 2; }
`;
const CONF = { proto_id: 1, service: 'p.S', method: 'M' };
const HI = Buffer.from('00000000040a026869', 'hex');
const conf = (raw: object = {}) => validConf(plugin.definition, { ...CONF, ...raw });

const run = (request: PluginRequest, raw: object = {}) =>
  runPlugin(plugin, conf(raw), request, {
    findProto: (id) => (id === '1' ? { content: CONTENT } : undefined),
  });

test('sends a framed message to the method, with the deadline', async () => {
  const { upstreamRequest, log } = await run(
    { target: '/x?text=hi', upstream: { body: HI } },
    { deadline: 500 },
  );
  expect(upstreamRequest).toMatchObject({ method: 'POST', path: '/p.S/M', query: '', body: HI });
  expect(upstreamRequest?.headers.get('grpc-timeout')).toBe('500m');
  expect(log).toEqual([]);
});

test('makes JSON of an answer, whatever pieces it comes in', async () => {
  const upstream = {
    body: [HI.subarray(0, 3), HI.subarray(3)],
    headers: { 'Content-Length': '9' },
  };
  const { text, headers } = await run({ upstream });
  expect(text).toBe('{"text":"hi","list":[]}');
  expect(headers.toRaw()).toEqual(['Content-Type', 'application/json']);
});

test('takes the first bytes of a larger answer than is allowed, and drops the rest', async () => {
  const upstream = { body: [HI, Buffer.from('more')] };
  const { text, log } = await run({ upstream }, { max_resp_body_size: 8 });
  expect(text).toBe('failed to decode response data by protobuf');
  expect(log.join()).toContain('transform response error');
});

test.each([
  ['3', 400],
  ['16', 401],
  ['99', 599],
  ['0', 200],
])('an answer of grpc-status %s is %i', async (grpcStatus, status) => {
  const upstream = { body: [], headers: { 'grpc-status': grpcStatus } };
  expect((await run({ upstream })).status).toBe(status);
});

test('tells in the body when the details of a status are none', async () => {
  const headers = { 'grpc-status': '3', 'grpc-status-details-bin': '*' };
  const { text } = await run({ upstream: { body: [], headers } }, { show_status_in_body: true });
  expect(text).toBe('grpc-status-details-bin is not base64 format');
});

test('leaves a request alone whose proto is missing, and says so', async () => {
  const { upstreamRequest, text, log } = await run({}, { proto_id: 2 });
  expect([upstreamRequest?.method, text]).toEqual(['GET', 'hello world\n']);
  expect(log.join()).toContain('proto load error: failed to find proto by id: 2');
});

test.each([
  [{ method: undefined }, 'property "method" is required'],
  [{ pb_option: ['enum'] }, 'property "pb_option" validation failed'],
  [{ pb_option: [] }, 'property "pb_option" validation failed'],
  [{ max_resp_body_size: 0 }, 'property "max_resp_body_size" validation failed'],
])('refuses %j', (raw, message) => {
  expect(() => conf(raw)).toThrow(message);
});
