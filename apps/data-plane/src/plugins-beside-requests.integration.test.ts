import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, request, runGateway } from './gateway.harness.ts';
import type { RunningGateway } from './gateway.harness.ts';

let gateway: RunningGateway;
let received = '';
const server = createServer((socket) => {
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  socket.on('error', () => undefined);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  gateway = await runGateway({ more: 'plugins: [error-log-logger, example-plugin]' });
});
afterAll(async () => {
  await gateway.stop();
  server.close();
});

test('a plugin has endpoints in the Control API while it is on', async () => {
  const ask = (path: string) => request({ port: gateway.plane.controlPort ?? 0, path });
  expect(await ask('/v1/plugin/example-plugin/hello')).toMatchObject({
    status: 200,
    text: 'world\n',
  });
  const json = await ask('/v1/plugin/example-plugin/hello?json');
  expect([json.text, json.headers['content-type']]).toEqual([
    '{"msg":"world"}\n',
    'application/json',
  ]);
  expect((await ask('/v1/plugin/example-plugin/other')).status).toBe(404);
});

test('what workers log goes where the metadata of error-log-logger say', async () => {
  await gateway.put('/plugin_metadata/error-log-logger', {
    tcp: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    batch_max_size: 1,
  });
  await gateway.put('/routes/1', {
    uri: '/nobody',
    upstream: { type: 'roundrobin', nodes: { '127.0.0.1:1': 1 } },
  });
  // lines of before the metadata were known are lost
  await eventually(async () => {
    await request({ port: gateway.port, path: '/nobody' });
    return received.includes('[error] data-plane#0: upstream failed: 127.0.0.1:1');
  });
});
