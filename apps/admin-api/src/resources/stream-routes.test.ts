import { afterEach, describe, expect, test } from 'vitest';
import { type Reply, runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:6379': 1 } };
const error = ({ status, body }: Reply): string => `${status} ${body.error_msg}`;

let api: RunningAdminApi;
afterEach(() => api.stop());

test('stream routes are refused without stream mode, read or written', async () => {
  api = await runAdminApi();
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const body = method === 'PUT' ? { upstream } : undefined;
    expect(error(await api.call(method, '/stream_routes/1', body))).toBe(
      '400 stream mode is disabled, can not add stream routes',
    );
  }
});

describe('in stream mode', () => {
  const start = async (): Promise<void> => {
    api = await runAdminApi({
      more: `
apisix: { proxy_mode: http&stream }
xrpc: { protocols: [{ name: redis }, { name: dubbo }] }
`,
    });
  };
  const put = (id: string, value: object): Promise<Reply> =>
    api.call('PUT', `/stream_routes/${id}`, { upstream, ...value });

  test('stream routes are stored, listed and filtered', async () => {
    await start();
    await api.call('PUT', '/upstreams/u', upstream);
    expect((await put('1', { server_port: 9100 })).status).toBe(201);
    const referring = { upstream_id: 'u', plugins: { 'mqtt-proxy': { protocol_level: 4 } } };
    expect((await api.call('POST', '/stream_routes', referring)).status).toBe(201);
    expect((await api.call('GET', '/stream_routes')).body.total).toBe(2);
    const filtered = await api.call('GET', '/stream_routes?filter=upstream_id%3Du');
    expect(filtered.body.total).toBe(1);
    expect((await api.call('PATCH', '/stream_routes/1', {})).status).toBe(405);
  });

  test('references that lead nowhere are refused', async () => {
    await start();
    expect(error(await api.call('PUT', '/stream_routes/1', { upstream_id: 'no' }))).toBe(
      '400 failed to fetch upstream info by upstream id [no], response code: 404',
    );
    expect(error(await put('1', { service_id: 'no' }))).toBe(
      '400 failed to fetch service info by service id [no], response code: 404',
    );
    expect(error(await put('1', { plugins: { 'key-auth': {} } }))).toBe(
      '400 unknown plugin [key-auth]',
    );
  });

  test('a subordinate route has a superior of its protocol, which stays', async () => {
    await start();
    const below = (superior_id: string | number): object => ({
      protocol: { name: 'redis', superior_id },
    });
    expect(error(await put('1', below(1)))).toBe(
      '400 stream route can not set itself as superior_id',
    );
    expect(error(await put('1', below('9')))).toBe(
      '400 failed to fetch stream routes[9], response code: 404',
    );
    await put('dubbo', { protocol: { name: 'dubbo' } });
    expect(error(await put('1', below('dubbo')))).toBe(
      '400 protocol mismatch: subordinate protocol [redis] does not match ' +
        'superior protocol [dubbo]',
    );
    await put('redis', { protocol: { name: 'redis' } });
    expect((await put('1', below('redis'))).status).toBe(201);
    expect(error(await api.call('DELETE', '/stream_routes/redis'))).toBe(
      '400 can not delete this stream route directly, ' +
        'stream route [1] is still using it as superior_id',
    );
    expect((await api.call('DELETE', '/stream_routes/1')).status).toBe(200);
    expect((await api.call('DELETE', '/stream_routes/redis')).status).toBe(200);
  });

  test('a service that a stream route uses cannot be deleted', async () => {
    await start();
    await api.call('PUT', '/services/s', { upstream });
    await api.call('PUT', '/stream_routes/1', { service_id: 's' });
    expect(error(await api.call('DELETE', '/services/s'))).toBe(
      '400 can not delete this service directly, stream_route [1] is still using it now',
    );
  });
});
