import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { startTelemetry } from '@polygate/chassis';
import { afterEach, expect, test } from 'vitest';
import { ADMIN_KEY, runAdminApi } from '../admin-api.harness.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Collects what an OTLP exporter sends. */
async function startCollector() {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      bodies.push(body);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return { bodies, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('a request leaves a span, child of its caller\u2019s, that holds no key', async () => {
  const { bodies, endpoint } = await startCollector();
  const telemetry = await startTelemetry(
    { enabled: true, endpoint, serviceName: 't', sampleRatio: 1, metricsIntervalMs: 60_000 },
    'admin-api',
  );
  const api = await runAdminApi({ tracer: telemetry.tracer });
  cleanups.push(() => api.stop());
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  await api.call('GET', `/routes/1?api_key=${ADMIN_KEY}`, undefined, { headers });
  await telemetry.shutdown();

  const sent = bodies.join('\n');
  expect(sent).toContain(traceId);
  expect(sent).toContain('"parentSpanId":"b7ad6b7169203331"');
  expect(sent).toContain('/apisix/admin/routes/1');
  expect(sent).toContain('"intValue":404');
  expect(sent).not.toContain(ADMIN_KEY);
});
