import { MemoryStore, readStandalone } from '@polygate/config-store';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  eventually,
  type RunningGateway,
  runGateway,
  startUpstream,
  type TestUpstream,
} from './gateway.harness.ts';

let store: MemoryStore;
let gateway: RunningGateway;
let upstream: TestUpstream;
beforeEach(async () => {
  store = new MemoryStore({ howToWrite: 'replace it' });
  upstream = await startUpstream();
  gateway = await runGateway({ store, provider: 'yaml' });
});
afterEach(async () => {
  await gateway.stop();
  await upstream.close();
});

/** As the Admin API does in standalone mode; waits until it is served. */
async function replace(document: Record<string, unknown>): Promise<void> {
  store.replace(readStandalone(document).items, { trustsModifiedIndex: true });
  const { revision } = await store.list('/');
  await eventually(() => gateway.plane.appliedRevision() >= revision);
}

const route = (uri: string, more: object = {}) => ({
  id: 'r',
  uri,
  upstream: { type: 'roundrobin', nodes: { [upstream.node]: 1 } },
  ...more,
});
const statusOf = async (path: string, apikey?: string) =>
  (await gateway.get(path, apikey === undefined ? {} : { headers: { apikey } })).status;

test('a gateway without configuration serves, and follows each one as a whole', async () => {
  expect(await statusOf('/a')).toBe(404);
  expect(gateway.plane.isReady()).toBe(false);
  await replace({ routes: [route('/a')] });
  expect(gateway.plane.isReady()).toBe(true);
  expect(await statusOf('/a')).toBe(200);
  await replace({ routes: [{ ...route('/b'), id: 'other' }] });
  expect([await statusOf('/a'), await statusOf('/b')]).toEqual([404, 200]);
  await replace({});
  expect(await statusOf('/b')).toBe(404);
});

test('an item that keeps its modifiedIndex is served as before', async () => {
  await replace({ routes: [route('/a', { modifiedIndex: 1 })] });
  await replace({ routes: [route('/b', { modifiedIndex: 1 })] });
  expect([await statusOf('/a'), await statusOf('/b')]).toEqual([200, 404]);
  await replace({ routes: [route('/b', { modifiedIndex: 2 })] });
  expect([await statusOf('/a'), await statusOf('/b')]).toEqual([404, 200]);
});

test('a consumer is known by its credentials, which stand beside it', async () => {
  const key = { plugins: { 'key-auth': { key: 'auth-a' } } };
  await replace({
    routes: [route('/a', { plugins: { 'key-auth': {} } })],
    consumers: [{ username: 'john' }, { id: 'john/credentials/a', ...key }],
  });
  expect(await statusOf('/a', 'auth-a')).toBe(200);
  expect(await statusOf('/a', 'auth-b')).toBe(401);
});

test('a route with an unknown plugin is not served without it', async () => {
  await replace({ routes: [route('/a', { plugins: { 'no-such-auth': {} } })] });
  expect(await statusOf('/a')).toBe(404);
});

test('a bad item is left out by itself, and the log says why', async () => {
  await replace({ routes: [route('/a'), { ...route('/b'), id: 'bad', uri: 7 }] });
  expect(await statusOf('/a')).toBe(200);
  expect(gateway.lines.join()).toMatch(/failed to check \/routes\/bad .*property "uri"/);
});
