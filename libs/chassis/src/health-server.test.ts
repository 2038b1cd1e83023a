import { afterEach, expect, test } from 'vitest';
import { HealthState, startHealthServer, type HealthServer } from './health-server.ts';

let server: HealthServer | undefined;
afterEach(() => server?.close());

async function get(path: string) {
  const response = await fetch(`http://127.0.0.1:${server!.port}${path}`);
  return { status: response.status, body: await response.text() };
}

test('/status answers at once, /status/ready when the parts are in order', async () => {
  const state = new HealthState();
  server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    ready: () => state.whyNotReady(),
  });
  const ok = { status: 200, body: '{"status":"ok"}\n' };
  const notReady = (error: string) => ({
    status: 503,
    body: `${JSON.stringify({ status: 'error', error })}\n`,
  });
  expect(await get('/status')).toEqual(ok);
  expect(await get('/status/ready')).toEqual(notReady('starting'));
  state.setNotReady('config', 'not received yet');
  state.setReady('runner');
  expect(await get('/status/ready')).toEqual(notReady('config: not received yet'));
  state.setReady('config');
  expect(await get('/status/ready?probe=1')).toEqual(ok);
  state.setNotReady('config', 'lost');
  expect(await get('/status/ready')).toEqual(notReady('config: lost'));
  expect((await get('/')).status).toBe(404);
  expect((await get('/ready')).status).toBe(404);
});

test('a process that is not alive says so', async () => {
  server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    live: () => 'worker 2 does not answer',
    ready: () => undefined,
  });
  expect(await get('/status')).toMatchObject({ status: 503 });
  expect(await get('/status/ready')).toMatchObject({ status: 200 });
});

test('a port in use is an error of the start', async () => {
  server = await startHealthServer({ host: '127.0.0.1', port: 0, ready: () => undefined });
  const second = startHealthServer({
    host: '127.0.0.1',
    port: server.port,
    ready: () => undefined,
  });
  await expect(second).rejects.toThrow('EADDRINUSE');
});

test('what is served but not up to date is told beside the status, and is ready', async () => {
  let stale: string | undefined = 'kept on disk';
  const server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    ready: () => undefined,
    stale: () => stale,
  });
  const read = async (): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${server.port}/status/ready`);
    return { status: response.status, body: await response.json() };
  };
  expect(await read()).toEqual({ status: 200, body: { status: 'ok', stale: 'kept on disk' } });
  stale = undefined;
  expect(await read()).toEqual({ status: 200, body: { status: 'ok' } });
  await server.close();
});
