import { afterEach, expect, test, vi } from 'vitest';
import {
  eventually,
  type RunningGateway,
  runGateway,
  startUpstream,
  type TestUpstream,
} from '../../gateway.harness.ts';
import { startVault, type VaultServer } from './vault.fixture.ts';

let gateway: RunningGateway | undefined;
let upstream: TestUpstream | undefined;
let vault: VaultServer | undefined;
afterEach(async () => {
  await gateway?.stop();
  await upstream?.close();
  await vault?.close();
  vi.unstubAllEnvs();
});

async function start(apisix = ''): Promise<RunningGateway> {
  upstream = await startUpstream();
  gateway = await runGateway({ apisix });
  await gateway.put('/routes/1', {
    uri: '/*',
    plugins: { 'key-auth': {} },
    upstream: { type: 'roundrobin', nodes: { [upstream.node]: 1 } },
  });
  return gateway;
}

const consumer = (key: string) => ({ username: 'jack', plugins: { 'key-auth': { key } } });

async function statusFor(apikey: string): Promise<number | undefined> {
  return (await gateway?.get('/', { headers: { apikey } }))?.status;
}

test('a key from the environment lets in who sends it, and the reference lets nobody in', async () => {
  vi.stubEnv('JACKS_KEY', 'from-env');
  const { lines } = await start();
  await gateway?.put('/consumers/jack', consumer('$env://JACKS_KEY'));
  expect(await statusFor('from-env')).toBe(200);
  expect(await statusFor('$env://JACKS_KEY')).toBe(401);
  await gateway?.put('/consumers/jack', consumer('$env://JACK_HAS_NO_SUCH_KEY'));
  expect(await statusFor('$env://JACK_HAS_NO_SUCH_KEY')).toBe(401);
  expect(lines.join()).toContain('failed to resolve secret reference: $env://JACK_HAS_NO_SUCH_KEY');
});

test('a key from vault is there with the configuration, and follows vault', async () => {
  vault = await startVault();
  vault.secrets.set('/v1/kv/jack', { key: 'first' });
  await start('lru: { secret: { ttl: 1, neg_ttl: 1 } }');
  await gateway?.put('/secrets/vault/1', { uri: vault.uri, prefix: 'kv', token: 'root' });
  await gateway?.put('/consumers/jack', consumer('$secret://vault/1/jack/key'));
  expect(await statusFor('first')).toBe(200);

  vault.secrets.set('/v1/kv/jack', { key: 'second' });
  await eventually(async () => (await statusFor('second')) === 200);
  expect(await statusFor('first')).toBe(401);
});

test('a plugin conf keeps a reference that leads nowhere, and works with one that does', async () => {
  vi.stubEnv('TENANT', 'blue');
  await start();
  await gateway?.put('/routes/1', {
    uri: '/*',
    plugins: {
      'proxy-rewrite': { headers: { set: { 'X-A': '$env://TENANT', 'X-B': '$env://NO_SUCH' } } },
    },
    upstream: { type: 'roundrobin', nodes: { [upstream?.node ?? '']: 1 } },
  });
  const { headers } = JSON.parse((await gateway?.get('/'))?.text ?? '') as {
    headers: Record<string, string>;
  };
  expect(headers['x-a']).toBe('blue');
  // the plugin got the reference, and takes `$env` in it for a variable
  expect(headers['x-b']).toBe('://NO_SUCH');
});
