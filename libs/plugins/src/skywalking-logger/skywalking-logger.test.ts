import { hostname } from 'node:os';
import { runPlugin, validConf } from '@polygate/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { logRequests, LONG } from '../log-sinks/log-server.harness.ts';
import plugin from './skywalking-logger.ts';

let server: TestService | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
const start = async (status = 200): Promise<TestService> =>
  (server = await startService((_request, response) => response.writeHead(status).end('answer')));
const format = { log_format: { m: '$request_method' } };
const text = (value: string): string => Buffer.from(value).toString('base64url');

test('an entry says who logs, and which trace the client is in', async () => {
  const { url, seen } = await start();
  const sw8 = `1-${text('trace')}-${text('segment')}-3-${text('s')}-${text('i')}-${text('e')}-a`;
  const raw = { endpoint_addr: `${url}/x`, service_instance_name: '$hostname', ...format };
  const vars = { uri: '/opentracing' };
  const requests = [{ headers: { sw8 }, vars }, { vars }];
  await logRequests(plugin, raw, { requests });
  await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
  expect(seen[0]).toMatchObject({ method: 'POST', path: '/v3/logs' });
  const entry = {
    body: { json: { json: '{"route_id":"1","m":"GET"}' } },
    service: 'APISIX',
    serviceInstance: hostname(),
    endpoint: '/opentracing',
  };
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual([
    { traceContext: { traceId: 'trace', traceSegmentId: 'segment', spanId: 3 }, ...entry },
    entry,
  ]);
});

test('a refusal is a failure', async () => {
  const { url } = await start(500);
  const { log } = await logRequests(plugin, { endpoint_addr: url, ...format });
  await vi.waitFor(() => expect(log.join()).toContain('server returned status code[500]'), LONG);
});

test('a trace that cannot be read is said in the log', async () => {
  const conf = validConf(plugin.definition, { endpoint_addr: 'http://127.0.0.1:1', ...format });
  const run = await runPlugin(plugin, conf, { headers: { sw8: '1-a-b' } });
  expect(run.log).toEqual(['warn: failed to parse trace_context header: 1-a-b']);
});

test('refuses a conf without an address', () => {
  expect(() => validConf(plugin.definition, {})).toThrow('property "endpoint_addr" is required');
});
