import { loadConfig } from '@polygate/chassis';
import { HeaderList } from '@polygate/plugin-sdk';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GatewayContext } from './gateway-context.ts';
import { dateGmt, dateLocal } from './log-time.ts';
import { VARIABLE_DOCS } from './variable-docs.ts';
import { keptUpstreamHeaders } from './variable-prefixes.ts';
import { RequestVariables } from './variables.ts';

/** As much of a request as variables look at. */
function variables(headers: readonly string[] = [], more: object = {}): RequestVariables {
  const address = '10.1.2.3';
  return new RequestVariables({
    client: { address, port: 40_000 },
    server: { address: '127.0.0.1', port: 9080 },
    startTimeMs: Date.now() - 1500,
    bodyBytesSent: 12,
    bytesSent: 150,
    bytesReceived: 80,
    requestId: 'd41d8cd98f00b204e9800998ecf8427e',
    aborted: false,
    attempts: [],
    upstream: undefined,
    pickedNode: undefined,
    route: undefined,
    consumer: undefined,
    response: { status: 200, headers: HeaderList.fromRaw(['X-Sent', 'yes']) },
    exchange: { method: 'GET', httpVersion: '1.1', scheme: 'http', client: { address, port: 1 } },
    request: {
      method: 'GET',
      scheme: 'http',
      host: 'x.test',
      path: '/a b',
      query: 'n=1&m=%20',
      rawTarget: '/a%20b?n=1&m=%20',
      upstreamPath: undefined,
      upstreamHost: undefined,
      bufferedBody: undefined,
      headers: HeaderList.fromRaw(headers),
    },
    ...more,
  } as unknown as GatewayContext);
}

test('every variable of the access log that APISIX writes has a value for a whole request', () => {
  const example = join(import.meta.dirname, '../../../../conf/config.example.yaml');
  const { format } = loadConfig(example, {}).accessLog;
  const credentials = `Basic ${Buffer.from('jack:secret').toString('base64')}`;
  const vars = variables(
    ['Host', 'x.test', 'Referer', 'r', 'User-Agent', 'u', 'Authorization', credentials],
    { attempts: [{ address: '1.1.1.1:80', status: 200, headerTimeMs: 1, responseTimeMs: 2.4 }] },
  );
  const values = [...format.matchAll(/\$(\w+)/g)].map(([, name = '']) => [name, vars.get(name)]);
  expect(Object.fromEntries(values)).toEqual({
    remote_addr: '10.1.2.3',
    remote_user: 'jack',
    time_local: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}$/),
    http_host: 'x.test',
    request: 'GET /a%20b?n=1&m=%20 HTTP/1.1',
    status: '200',
    body_bytes_sent: '12',
    request_time: expect.stringMatching(/^\d+\.\d{3}$/),
    http_referer: 'r',
    http_user_agent: 'u',
    upstream_addr: '1.1.1.1:80',
    upstream_status: '200',
    upstream_response_time: '0.002',
    upstream_scheme: 'http',
    upstream_host: 'x.test',
    upstream_uri: '',
    apisix_request_id: 'd41d8cd98f00b204e9800998ecf8427e',
  });
});

test('each try at an upstream has its own value', () => {
  const attempts = [
    { address: '1.1.1.1:80', status: undefined, headerTimeMs: undefined, responseTimeMs: 3 },
    { address: '1.1.1.2:80', status: 200, headerTimeMs: 1, responseTimeMs: 1000 },
  ];
  const vars = variables([], { attempts });
  expect(vars.get('upstream_addr')).toBe('1.1.1.1:80, 1.1.1.2:80');
  expect(vars.get('upstream_status')).toBe('502, 200');
  expect(vars.get('upstream_header_time')).toBe('-, 0.001');
  expect(vars.get('upstream_response_time')).toBe('0.003, 1.000');
});

test('the URI for the upstream is there where a plugin has set one', () => {
  const request = { upstreamPath: '/new', query: 'a=1', headers: new HeaderList() };
  expect(variables([], { request }).get('upstream_uri')).toBe('/new?a=1');
  const plain = { ...request, query: '' };
  expect(variables([], { request: plain }).get('upstream_uri')).toBe('/new');
  expect(variables().get('upstream_uri')).toBe('');
});

test('names with a variable part find what they name, again and again', () => {
  const vars = variables(['X-One', '1', 'Cookie', 'a=b; c=d']);
  for (let round = 0; round < 2; round++) {
    expect(vars.get('http_x_one')).toBe('1');
    expect(vars.get('http_x_two')).toBeUndefined();
    expect(vars.get('sent_http_x_sent')).toBe('yes');
    expect(vars.get('cookie_c')).toBe('d');
    expect(vars.get('arg_m')).toBe(' ');
    expect(vars.get('nothing')).toBeUndefined();
    expect(vars.get('constructor')).toBeUndefined();
  }
});

test('a header is found whether its name is written with hyphens or with underscores', () => {
  const vars = variables([
    'time_window',
    '5',
    'X_Both-Kinds',
    'yes',
    'x_one',
    'late',
    'X-One',
    '1',
  ]);
  expect(vars.get('http_time_window')).toBe('5');
  expect(vars.get('http_x_both_kinds')).toBe('yes');
  expect(vars.get('http_x_one')).toBe('1');
  expect(vars.get('http_time')).toBeUndefined();
});

test('names without end stay right', () => {
  const vars = variables(['X-9000', 'found']);
  for (let i = 0; i < 9000; i++) expect(vars.get(`http_x_${i}`)).toBeUndefined();
  expect(vars.get('http_x_9000')).toBe('found');
});

test('a variable that a plugin has set goes before', () => {
  const vars = variables();
  vars.set('status', '418');
  vars.set('own', 'x');
  expect([vars.get('status'), vars.get('own')]).toEqual(['418', 'x']);
});

test.each([
  [[], undefined],
  [['Authorization', 'Bearer abc'], undefined],
  [['Authorization', 'Basic bm9jb2xvbg=='], undefined],
  [['Authorization', 'bAsIc  OnNlY3JldA=='], ''],
])('of %j the user is %j', (headers, user) => {
  expect(variables(headers).get('remote_user')).toBe(user);
});

test('addresses are added to X-Forwarded-For, and are there as bytes', () => {
  const vars = variables(['X-Forwarded-For', 'a', 'X-Forwarded-For', 'b']);
  expect(vars.get('proxy_add_x_forwarded_for')).toBe('a, b, 10.1.2.3');
  expect(variables().get('proxy_add_x_forwarded_for')).toBe('10.1.2.3');
  expect(variables().get('binary_remote_addr')).toBe('\n\x01\x02\x03');
});

test('what the upstream sent is told apart from what is sent, once somebody asks', () => {
  const response = {
    status: 200,
    source: 'upstream',
    headers: HeaderList.fromRaw(['Server', 'Polygate', 'Set-Cookie', 'a=1; Path=/']),
    upstreamHeaders: undefined as HeaderList | undefined,
    trailers: HeaderList.fromRaw(['Grpc-Status', '0']),
  };
  const vars = variables([], { response });
  expect(vars.get('upstream_http_server')).toBe('Polygate');
  response.upstreamHeaders = keptUpstreamHeaders(HeaderList.fromRaw(['Server', 'nginx']));
  expect(vars.get('upstream_http_server')).toBe('nginx');
  expect(vars.get('upstream_cookie_a')).toBeUndefined();
  response.upstreamHeaders = undefined;
  expect(vars.get('upstream_cookie_a')).toBe('1');
  expect([vars.get('upstream_trailer_grpc_status'), vars.get('sent_trailer_grpc_status')]).toEqual([
    '0',
    '0',
  ]);
  response.source = 'gateway';
  expect([vars.get('upstream_http_server'), vars.get('upstream_trailer_grpc_status')]).toEqual([
    undefined,
    undefined,
  ]);
});

test('connections are told by number, age and requests', () => {
  const exchange = { connection: { serial: 7, requests: 3, startedMs: performance.now() - 1500 } };
  const vars = variables([], { exchange });
  expect([vars.get('connection'), vars.get('connection_requests')]).toEqual(['7', '3']);
  expect(vars.get('connection_time')).toMatch(/^1\.[5-9]\d\d$/);
});

test('dates are those of nginx', () => {
  const now = new Date(Date.UTC(2026, 10, 22, 9, 5, 7));
  expect(dateGmt(now)).toBe('Sunday, 22-Nov-2026 09:05:07 GMT');
  expect(dateLocal(now)).toMatch(/^\w+day, 2\d-Nov-2026 \d\d:\d5:07 \S+$/);
});

test('lists have a value for each try', () => {
  const attempts = [
    { address: 'a:1', status: 502, headerTimeMs: undefined, responseTimeMs: 3 },
    { address: 'b:1', status: 200, headerTimeMs: 1, responseTimeMs: 2, bodyBytes: 42 },
  ];
  const vars = variables([], { attempts, upstream: { scheme: 'https' } });
  expect(vars.get('upstream_response_length')).toBe('0, 42');
  expect(vars.get('apisix_upstream_response_time')).toBe('0.003, 0.002');
  expect([vars.get('proxy_host'), vars.get('proxy_port')]).toEqual(['apisix_backend', '443']);
});

test('each variable is described once, by one line', () => {
  const { whole, prefixes } = VARIABLE_DOCS;
  const all = [...whole, ...prefixes];
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  for (const { meaning } of all) expect(meaning).toMatch(/^.{3,90}$/);
});
