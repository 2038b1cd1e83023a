import { GatewayError, HeaderList } from '@polygate/plugin-sdk';
import type { RequestContext, UpstreamAttempt } from '@polygate/plugin-sdk';
import { expect, test } from 'vitest';
import { jsonArguments, jsonHeaders, jsonText } from './log-entry-json.ts';
import { prepareLogEntry } from './log-entry.ts';
import type { LogEntryConf } from './log-entry.schema.ts';

const lines: string[] = [];
const at = (level: string) => (text: string) => void lines.push(`${level}: ${text}`);
const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
const prepare = (conf: LogEntryConf) => prepareLogEntry(conf, { metadata: {}, log });

/** As much of a request as an entry looks at. */
function context(more: object = {}): RequestContext {
  return {
    request: {
      ...{ method: 'GET', scheme: 'http', host: 'h', rawTarget: '/', query: '' },
      headers: new HeaderList(),
      readBody: () => Promise.reject(new GatewayError('REQUEST_BODY_TOO_LARGE', 'over 5 bytes')),
    },
    response: { status: 200, headers: new HeaderList() },
    client: { address: '127.0.0.1', port: 1 },
    server: { address: '127.0.0.1', port: 9080 },
    startTimeMs: Date.now(),
    ...{ attempts: [], bytesReceived: 0, bytesSent: 0 },
    vars: { get: () => undefined, set: () => undefined },
    get: () => undefined,
    log,
    ...more,
  } as unknown as RequestContext;
}
const entryOf = (conf: LogEntryConf, more: object = {}) =>
  JSON.parse(prepare(conf).json(context(more)) ?? '');

test('a body that is announced as too large passes unlogged, any other ends the request', async () => {
  const announced = context();
  announced.request.headers.append('Content-Length', '6');
  const builder = prepare({ include_req_body: true });
  lines.length = 0;
  await builder.readRequestBody(announced);
  expect(lines).toEqual(['warn: fail to get request body: over 5 bytes']);
  await expect(builder.readRequestBody(context())).rejects.toThrow('over 5 bytes');
});

test('a body is not read unless it is asked for', () => {
  expect(prepare({}).readRequestBody(context())).toBeUndefined();
  const raw = { include_req_body: true, include_req_body_expr: [['arg_a', '==', 'b']] };
  expect(prepare(raw).readRequestBody(context())).toBeUndefined();
});

test('the latency of the upstream is that of all tries, and our own is what is left', () => {
  const tries: Partial<UpstreamAttempt>[] = [
    { address: 'a:1', responseTimeMs: 100.4 },
    { address: 'b:1', responseTimeMs: undefined },
    { address: 'c:1', responseTimeMs: 200.4 },
  ];
  const startTimeMs = Date.now() - 400;
  const entry = entryOf({}, { attempts: tries, startTimeMs });
  expect(entry).toMatchObject({
    upstream: 'a:1, b:1, c:1',
    upstream_latency: 301,
    start_time: startTimeMs,
  });
  expect(entry.latency).toBeGreaterThanOrEqual(400);
  expect(entry.apisix_latency).toBe(entry.latency - 301);
  expect(entryOf({}, { attempts: tries }).apisix_latency).toBe(0);
  expect(entryOf({})).not.toHaveProperty('upstream_latency');
});

test('what APISIX knows as numbers are numbers, unless a plugin wrote something else', () => {
  const values: Record<string, string> = { status: '007', bytes_sent: 'many', request_time: '1' };
  const vars = { get: (name: string) => values[name], set: () => undefined };
  const log_format = { a: '$status', b: '$bytes_sent', c: '$request_time', d: '$request_length' };
  expect(entryOf({ log_format }, { vars })).toEqual({ a: 7, b: 'many', c: '1' });
});

test('names like __proto__ are members like any other', () => {
  const log_format = JSON.parse('{"__proto__": "x", "constructor": {"toString": "$status"}}');
  const json = prepare({ log_format }).json(context());
  expect(json).toBe('{"__proto__":"x","constructor":{}}');
});

test('a condition that cannot be worked out does not hold', () => {
  const long = { get: () => 'a'.repeat(1_000_000), set: () => undefined };
  const builder = prepare({ match: [[['arg_a', '~~', '^(?=a)']]] });
  lines.length = 0;
  expect(builder.json(context({ vars: long }))).toBeUndefined();
  expect(lines).toEqual([expect.stringContaining('failed to evaluate a condition of the log')]);
});

test('an expression that is none is left out, with an error', () => {
  lines.length = 0;
  const builder = prepare({ match: [['arg_a', '==', 'b']] });
  expect(lines).toEqual([expect.stringContaining("an expression of 'match' is left out")]);
  expect(builder.json(context())).toBeUndefined();
});

test.each(['', 'a', '"', '\\', '\n', '\x7f', 'ä', '日', '\u2028', '\ud800', '😀'])(
  'the text %j comes back out of its JSON',
  (text) => {
    expect(JSON.parse(jsonText(text))).toBe(text);
    expect(Buffer.from(jsonText(text)).includes('\n')).toBe(false);
  },
);

test('headers and arguments are lists where they come more than once, and no more than 100', () => {
  const raw = ['A', '1', 'b', '2', 'a', '3', 'B', '4', 'c', '5'];
  expect(jsonHeaders(HeaderList.fromRaw(raw))).toBe('{"a":["1","3"],"b":["2","4"],"c":"5"}');
  expect(jsonHeaders(new HeaderList())).toBe('{}');
  const args = [
    { name: 'a', value: '1' },
    { name: 'b', value: undefined },
    { name: 'a', value: undefined },
  ];
  expect(jsonArguments(args)).toBe('{"a":["1",true],"b":true}');
  expect(jsonArguments([])).toBe('{}');

  const many = Array.from({ length: 150 }, (_, i) => ({ name: `n${i}`, value: 'x' }));
  expect(Object.keys(JSON.parse(jsonArguments(many)))).toHaveLength(100);
  const headers = HeaderList.fromRaw(many.flatMap(({ name, value }) => [name, value]));
  expect(Object.keys(JSON.parse(jsonHeaders(headers)))).toHaveLength(100);
});
