import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runGateway, startUpstream } from './gateway.harness.ts';
import type { RunningGateway, TestUpstream } from './gateway.harness.ts';

// What auth plugins need of the gateway beyond their own code: other plugins, and the objects behind a
// request.

let gateway: RunningGateway;
let echo: TestUpstream;
let policy: Server;
const inputs: Record<string, unknown>[] = [];

beforeAll(async () => {
  policy = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { input: (typeof inputs)[0] };
      inputs.push(body.input);
      response.end('{"result":{"allow":true}}');
    });
  });
  await new Promise<void>((resolve) => policy.listen(0, '127.0.0.1', resolve));
  [gateway, echo] = await Promise.all([runGateway({}), startUpstream()]);
});
afterAll(async () => {
  await gateway.stop();
  await echo.close();
  policy.close();
});

describe('auth plugins in the gateway', () => {
  test('multi-auth runs other plugins, and opa sees route, service and consumer', async () => {
    const { port } = policy.address() as AddressInfo;
    const plugins = {
      'multi-auth': { auth_plugins: [{ 'basic-auth': {} }, { 'key-auth': {} }] },
      opa: {
        host: `http://127.0.0.1:${port}`,
        policy: 'example',
        with_route: true,
        with_service: true,
        with_consumer: true,
      },
    };
    const upstream = { type: 'roundrobin', nodes: { [echo.node]: 1 } };
    await gateway.put('/services/s', { name: 'the service', upstream });
    await gateway.put('/consumers/jack', {
      username: 'jack',
      plugins: { 'key-auth': { key: 'secret' } },
    });
    await gateway.put('/routes/r', { uri: '/r', name: 'the route', service_id: 's', plugins });

    expect((await gateway.get('/r')).status).toBe(401);
    expect(inputs).toEqual([]);
    expect((await gateway.get('/r', { headers: { apikey: 'secret' } })).status).toBe(200);
    expect(inputs[0]).toMatchObject({
      request: { path: '/r', headers: { apikey: 'secret' } },
      route: { name: 'the route', plugins: { opa: { with_route: true } } },
      service: { name: 'the service' },
      consumer: { username: 'jack', consumer_name: 'jack', auth_conf: { key: 'secret' } },
    });
    expect(inputs[0]?.['service']).not.toHaveProperty('upstream');
  });
});
