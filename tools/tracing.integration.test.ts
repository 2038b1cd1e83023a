import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

/** Everything a collector got at /v1/traces. */
const spans: Span[] = [];
let collector: Server;
let folder: string;
let service: ServiceProcess;

beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces') spans.push(...spansOf(Buffer.concat(chunks).toString()));
      response.setHeader('Content-Type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  folder = await mkdtemp(path.join(tmpdir(), 'polygate-tracing-'));
  await writeFile(
    path.join(folder, 'config.yaml'),
    `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], enable_control: false }
deployment: { admin: { admin_listen: { ip: 127.0.0.1, port: 0 } } }
nginx_config: { worker_processes: 1 }
plugin_attr: { prometheus: { enable_export_server: false } }
ext-plugin: { cmd: [node, libs/plugin-runner/src/main.ts] }
polygate:
  sample: true
  echo_upstream: { ip: 127.0.0.1, port: 0 }
  telemetry:
    enabled: true
    endpoint: http://127.0.0.1:${(collector.address() as AddressInfo).port}
`,
  );
  service = startService('tools/start.ts', ['--config', path.join(folder, 'config.yaml')]);
});
afterAll(async () => {
  await service.stop('SIGKILL');
  collector.closeAllConnections();
  collector.close();
  await rm(folder, { recursive: true });
});

test('one trace goes from the client through the data plane to the runner and the upstream', async () => {
  const [, gateway] = await service.line(/Polygate serves on (http:\S+)/);
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const response = await fetch(`${gateway}/hello`, {
    headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
  });
  const { headers } = (await response.json()) as { headers: Record<string, string> };

  const ofTrace = (): Span[] => spans.filter((span) => span.traceId === traceId);
  while (ofTrace().length < 2) await new Promise((resolve) => setTimeout(resolve, 50));
  const request = ofTrace().find(({ name }) => name === 'GET request');
  const call = ofTrace().find(({ name }) => name === 'runner.call');
  expect(request?.parentSpanId).toBe('00f067aa0ba902b7');
  expect(call?.parentSpanId).toBe(request?.spanId);
  expect(headers['traceparent']).toBe(`00-${traceId}-${request?.spanId}-01`);
});

function spansOf(json: string): Span[] {
  const { resourceSpans = [] } = JSON.parse(json) as {
    resourceSpans?: { scopeSpans: { spans: Span[] }[] }[];
  };
  return resourceSpans.flatMap((resource) => resource.scopeSpans.flatMap((scope) => scope.spans));
}
