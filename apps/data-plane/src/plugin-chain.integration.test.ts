import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, request, runGateway, startUpstream } from './gateway.harness.ts';
import type { Reply, RunningGateway, TestUpstream } from './gateway.harness.ts';

let gateway: RunningGateway;
let echo: TestUpstream;

beforeAll(async () => {
  [gateway, echo] = await Promise.all([
    runGateway({
      workers: 2,
      more: 'plugin_attr: { prometheus: { export_addr: { ip: 127.0.0.1, port: 0 } } }',
    }),
    startUpstream(),
  ]);
});
afterAll(async () => {
  await gateway.stop();
  await echo.close();
});
beforeEach(async () => {
  const { items } = await gateway.store.list('/');
  for (const { key } of items) await gateway.remove(key);
});

const upstream = (): object => ({ type: 'roundrobin', nodes: { [echo.node]: 1 } });
const mark = (value: string): object => ({
  'response-rewrite': { headers: { set: { 'X-Mark': value } } },
});
const withKey = (key: string): Promise<Reply> => gateway.get('/r', { headers: { apikey: key } });

describe('plugins of a request', () => {
  test('come from Consumer > Consumer Group > Route > Plugin Config > Service, each once', async () => {
    const marked = async (): Promise<string | undefined> =>
      (await withKey('secret')).headers['x-mark'] as string | undefined;
    await gateway.put('/services/s', { upstream: upstream(), plugins: mark('service') });
    const keyAuth = { 'key-auth': {} };
    await gateway.put('/consumers/jack', {
      username: 'jack',
      plugins: { 'key-auth': { key: 'secret' } },
    });
    const route = { uri: '/r', service_id: 's', plugins: keyAuth };
    await gateway.put('/routes/r', route);
    expect(await marked()).toBe('service');

    await gateway.put('/plugin_configs/p', { plugins: mark('plugin config') });
    await gateway.put('/routes/r', { ...route, plugin_config_id: 'p' });
    expect(await marked()).toBe('plugin config');

    const onRoute = { ...route, plugin_config_id: 'p', plugins: { ...keyAuth, ...mark('route') } };
    await gateway.put('/routes/r', onRoute);
    expect(await marked()).toBe('route');

    await gateway.put('/consumer_groups/g', { plugins: mark('group') });
    const jack = { username: 'jack', group_id: 'g' };
    await gateway.put('/consumers/jack', { ...jack, plugins: { 'key-auth': { key: 'secret' } } });
    expect(await marked()).toBe('group');

    await gateway.put('/consumers/jack', {
      ...jack,
      plugins: { 'key-auth': { key: 'secret' }, ...mark('consumer') },
    });
    expect(await marked()).toBe('consumer');
    const { rawHeaders } = await withKey('secret');
    expect(rawHeaders.filter((name) => name.toLowerCase() === 'x-mark')).toHaveLength(1);
  });

  test('of a consumer run their rewrite phase when the route has not run it', async () => {
    await gateway.put('/consumers/jack', {
      username: 'jack',
      plugins: { 'key-auth': { key: 'k' }, 'proxy-rewrite': { uri: '/from-consumer' } },
    });
    await gateway.put('/routes/r', {
      uri: '/r',
      upstream: upstream(),
      plugins: { 'key-auth': {} },
    });
    const seen = JSON.parse((await withKey('k')).text);
    expect(seen.url).toBe('/from-consumer');
    expect(seen.headers['x-consumer-username']).toBe('jack');
    expect((await withKey('wrong')).status).toBe(401);
    expect((await gateway.get('/r')).status).toBe(401);
  });

  test('run by priority, and _meta.priority changes the order', async () => {
    const restricted = { 'ip-restriction': { blacklist: ['127.0.0.0/8'] } };
    await gateway.put('/routes/r', {
      uri: '/r',
      upstream: upstream(),
      plugins: { ...restricted, 'limit-count': limit(1) },
    });
    const first = await gateway.get('/r');
    expect(first.status).toBe(403);
    expect(first.headers).not.toHaveProperty('x-ratelimit-limit');

    await gateway.put('/routes/r', {
      uri: '/r',
      upstream: upstream(),
      plugins: { ...restricted, 'limit-count': { ...limit(1), _meta: { priority: 9999 } } },
    });
    expect((await gateway.get('/r')).status).toBe(403);
    expect((await gateway.get('/r')).status).toBe(503);
  });

  test('obey _meta.disable, _meta.filter and _meta.error_response', async () => {
    const blocking = (meta: object): object => ({
      uri: '/r',
      upstream: upstream(),
      plugins: { 'ip-restriction': { blacklist: ['127.0.0.1'], _meta: meta } },
    });
    await gateway.put('/routes/r', blocking({ disable: true }));
    expect((await gateway.get('/r')).status).toBe(200);

    await gateway.put('/routes/r', blocking({ filter: [['arg_block', '==', 'yes']] }));
    expect((await gateway.get('/r')).status).toBe(200);
    expect((await gateway.get('/r?block=yes')).status).toBe(403);

    await gateway.put('/routes/r', blocking({ error_response: { why: 'because' } }));
    const { status, text } = await gateway.get('/r');
    expect([status, text]).toEqual([403, '{"why":"because"}\n']);
  });

  test('of global rules run beside the route, also where no route matches', async () => {
    await gateway.put('/global_rules/1', { plugins: mark('global') });
    expect((await gateway.get('/nowhere')).headers['x-mark']).toBe('global');
    await gateway.put('/global_rules/1', {
      plugins: { 'ip-restriction': { blacklist: ['127.0.0.1'] } },
    });
    expect((await gateway.get('/nowhere')).status).toBe(403);
  });

  test('that stand in two global rules run in none', async () => {
    await gateway.put('/global_rules/1', { plugins: mark('one') });
    await gateway.put('/global_rules/2', { plugins: mark('two') });
    expect((await gateway.get('/nowhere')).headers).not.toHaveProperty('x-mark');
  });

  test('count limits exactly over all workers', async () => {
    await gateway.put('/routes/r', {
      uri: '/r',
      upstream: upstream(),
      plugins: { 'limit-count': limit(10) },
    });
    const replies = await Promise.all(Array.from({ length: 40 }, () => gateway.get('/r')));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(replies.filter(({ status }) => status === 503)).toHaveLength(30);
  });

  test('that are off the list in /plugins are skipped, and come back with it', async () => {
    await gateway.put('/routes/r', { uri: '/r', upstream: upstream(), plugins: mark('on') });
    expect((await gateway.get('/r')).headers['x-mark']).toBe('on');
    await gateway.put('/plugins', [{ name: 'key-auth' }]);
    await eventually(async () => (await gateway.get('/r')).headers['x-mark'] === undefined);
    expect(gateway.lines.join('')).toContain('plugin [response-rewrite] is not enabled');
    await gateway.put('/plugins', [{ name: 'response-rewrite' }, { name: 'limit-count' }]);
    await eventually(async () => (await gateway.get('/r')).headers['x-mark'] === 'on');
    const all = ['key-auth', 'limit-count', 'ip-restriction', 'proxy-rewrite', 'prometheus'];
    await gateway.put(
      '/plugins',
      ['response-rewrite', ...all].map((name) => ({ name })),
    );
  });

  test('prometheus adds up what all workers counted', async () => {
    await gateway.put('/routes/metered', {
      uri: '/r',
      upstream: upstream(),
      plugins: { prometheus: {} },
    });
    await Promise.all(Array.from({ length: 20 }, () => gateway.get('/r')));
    const port = gateway.plane.metricsPort;
    await eventually(async () => {
      const { text } = await request({ port, path: '/apisix/prometheus/metrics' });
      const [, count] =
        /^apisix_http_status\{code="200",route="metered".*\} (\d+)$/m.exec(text) ?? [];
      return count === '20';
    });
  });
});

describe('credentials', () => {
  const jack = { username: 'jack', labels: { custom_id: 'no-7' }, plugins: mark('jack') };
  const identity = async (key: string): Promise<unknown[]> => {
    const { status, text, headers } = await withKey(key);
    if (status !== 200) return [status];
    const seen = JSON.parse(text).headers;
    return [
      headers['x-mark'],
      seen['x-consumer-username'],
      seen['x-credential-identifier'],
      seen['x-consumer-custom-id'],
    ];
  };
  const putCredential = (id: string, key: string): Promise<void> =>
    gateway.put(`/consumers/jack/credentials/${id}`, { plugins: { 'key-auth': { key } } });
  beforeEach(() =>
    gateway.put('/routes/r', { uri: '/r', upstream: upstream(), plugins: { 'key-auth': {} } }),
  );

  test('authenticate their consumer, whose plugins run', async () => {
    await gateway.put('/consumers/jack', jack);
    await putCredential('a', 'first');
    await putCredential('b', 'second');
    expect(await identity('first')).toEqual(['jack', 'jack', 'a', 'no-7']);
    expect(await identity('second')).toEqual(['jack', 'jack', 'b', 'no-7']);
    expect(await identity('third')).toEqual([401]);
  });

  test('stand beside the consumer’s own key, which carries no credential', async () => {
    await gateway.put('/consumers/jack', {
      ...jack,
      plugins: { ...jack.plugins, 'key-auth': { key: 'own' } },
    });
    await putCredential('a', 'first');
    expect(await identity('own')).toEqual(['jack', 'jack', undefined, 'no-7']);
    const forged = { apikey: 'own', 'X-Credential-Identifier': 'a' };
    const { text } = await gateway.get('/r', { headers: forged });
    expect(JSON.parse(text).headers).not.toHaveProperty('x-credential-identifier');
    expect(await identity('first')).toEqual(['jack', 'jack', 'a', 'no-7']);
  });

  test('follow changes of themselves and of their consumer', async () => {
    await putCredential('a', 'first');
    expect(await identity('first')).toEqual([401]);
    await gateway.put('/consumers/jack', jack);
    expect(await identity('first')).toEqual(['jack', 'jack', 'a', 'no-7']);
    await gateway.put('/consumers/jack', { ...jack, plugins: mark('changed') });
    expect(await identity('first')).toEqual(['changed', 'jack', 'a', 'no-7']);
    await putCredential('a', 'renewed');
    expect(await identity('first')).toEqual([401]);
    expect(await identity('renewed')).toEqual(['changed', 'jack', 'a', 'no-7']);
    await gateway.remove('/consumers/jack/credentials/a');
    expect(await identity('renewed')).toEqual([401]);
  });
});

describe('references', () => {
  test('to a missing service or plugin config answer 404 and 503', async () => {
    await gateway.put('/routes/r', { uri: '/r', service_id: 'gone' });
    expect((await gateway.get('/r')).status).toBe(404);
    await gateway.put('/routes/r', { uri: '/r', plugin_config_id: 'gone', upstream: upstream() });
    expect((await gateway.get('/r')).status).toBe(503);
  });

  test('to a missing consumer group answer 503', async () => {
    await gateway.put('/consumers/jack', {
      username: 'jack',
      group_id: 'gone',
      plugins: { 'key-auth': { key: 'k' } },
    });
    const plugins = { 'key-auth': {} };
    await gateway.put('/routes/r', { uri: '/r', upstream: upstream(), plugins });
    expect((await withKey('k')).status).toBe(503);
  });
});

function limit(count: number): object {
  return { count, time_window: 60, rejected_code: 503 };
}
