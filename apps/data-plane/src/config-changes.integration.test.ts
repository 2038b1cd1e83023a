import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runGateway, startUpstream } from './gateway.harness.ts';
import type { RunningGateway, TestUpstream } from './gateway.harness.ts';

let gateway: RunningGateway;
let echo: TestUpstream;

beforeAll(async () => {
  echo = await startUpstream();
  gateway = await runGateway({
    workers: 2,
    before: async (store) => {
      await store.put('/routes/early', { uri: '/early', upstream: upstream() });
      await store.put('/routes/broken', { uri: 7, upstream: upstream() });
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  await echo.close();
});

const upstream = (): object => ({ type: 'roundrobin', nodes: { [echo.node]: 1 } });
const status = async (path: string): Promise<number> => (await gateway.get(path)).status;

describe('a change of the configuration', () => {
  test('that was there before the start is served from the first request on', async () => {
    expect(await status('/early')).toBe(200);
  });

  test('comes and goes with its item', async () => {
    await gateway.put('/routes/1', { uri: '/1', upstream: upstream() });
    expect(await status('/1')).toBe(200);
    await gateway.put('/routes/1', { uri: '/one', upstream: upstream() });
    expect([await status('/1'), await status('/one')]).toEqual([404, 200]);
    await gateway.remove('/routes/1');
    expect(await status('/one')).toBe(404);
  });

  test('that breaks a rule keeps the last good version and says key and reason', async () => {
    await gateway.put('/routes/2', { uri: '/2', upstream: upstream() });
    await gateway.put('/routes/2', { uri: '/2b', upstream: upstream(), nonsense: true });
    expect([await status('/2'), await status('/2b')]).toEqual([200, 404]);
    const log = gateway.lines.join('');
    expect(log).toMatch(/\/routes\/2 .*nonsense.*its last good version stays/);
    expect(log).toMatch(/\/routes\/broken .*it is left out/);
  });

  test('heals a broken item', async () => {
    await gateway.put('/routes/broken', { uri: '/healed', upstream: upstream() });
    expect(await status('/healed')).toBe(200);
  });

  test('of a service reaches the routes that refer to it', async () => {
    await gateway.put('/services/s', { upstream: upstream(), hosts: ['a.test'] });
    await gateway.put('/routes/3', { uri: '/3', service_id: 's' });
    const withHost = (host: string): Promise<number> =>
      gateway.get('/3', { headers: { host } }).then((reply) => reply.status);
    expect([await withHost('a.test'), await withHost('b.test')]).toEqual([200, 404]);
    await gateway.put('/services/s', { upstream: upstream(), hosts: ['b.test'] });
    expect([await withHost('a.test'), await withHost('b.test')]).toEqual([404, 200]);
  });

  test('does not touch a request under way', async () => {
    let finish: () => void = () => undefined;
    const slow = await startUpstream((_, response) => {
      finish = () => response.end('done');
    });
    await gateway.put('/routes/4', {
      uri: '/4',
      upstream: { type: 'roundrobin', nodes: { [slow.node]: 1 } },
      plugins: { 'response-rewrite': { headers: { set: { 'X-Mark': 'old' } } } },
    });
    const pending = gateway.get('/4');
    await eventually(() => slow.requests.length === 1);
    await gateway.remove('/routes/4');
    expect(await status('/4')).toBe(404);
    finish();
    const reply = await pending;
    expect([reply.status, reply.text, reply.headers['x-mark']]).toEqual([200, 'done', 'old']);
    await slow.close();
  });

  test('by the thousand is served whole', async () => {
    for (let i = 0; i < 1000; i++) {
      await gateway.store.put(`/routes/bulk-${i}`, { uri: `/bulk/${i}`, upstream: upstream() });
    }
    await gateway.put('/routes/last', { uri: '/last', upstream: upstream() });
    expect([await status('/bulk/0'), await status('/bulk/999')]).toEqual([200, 200]);
  });
});

test('stopping lets a request under way finish', async () => {
  let finish: () => void = () => undefined;
  const slow = await startUpstream((_, response) => {
    finish = () => response.end('done');
  });
  const own = await runGateway({});
  await own.put('/routes/1', {
    uri: '/1',
    upstream: { type: 'roundrobin', nodes: { [slow.node]: 1 } },
  });
  const pending = own.get('/1');
  await eventually(() => slow.requests.length === 1);
  const stopped = own.stop();
  finish();
  expect((await pending).text).toBe('done');
  await stopped;
  await slow.close();
});
