import type { StoredItem } from '@polygate/config-store';
import { memoryLog } from '@polygate/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SecretCache } from './secret-cache.ts';
import { startVault, type VaultServer } from './vault.fixture.ts';

const REFERENCE = '$secret://vault/1/jack/auth-key';
const { signal } = new AbortController();

let vault: VaultServer;
let log: ReturnType<typeof memoryLog>;
beforeEach(async () => {
  vault = await startVault();
  vault.secrets.set('/v1/kv/jack', { 'auth-key': 'value', port: 7 });
  log = memoryLog();
});
afterEach(() => vault.close());

const item = (key: string, value: unknown): StoredItem => ({
  key,
  value,
  createdIndex: 1,
  modifiedIndex: 1,
});

function open(conf: object = {}, { ttlMs = 60_000, retryMs = 60_000 } = {}): SecretCache {
  const variables = new Map([['TOKEN', 'root']]);
  const cache = new SecretCache({ variables, ttlMs, retryMs, log });
  const value = { uri: vault.uri, prefix: 'kv', token: 'root', ...conf };
  cache.observe({ kind: 'resync', revision: 1, items: [item('/secrets/vault/1', value)] });
  return cache;
}

/** Asks, fetches, asks again. */
async function read(cache: SecretCache, reference: string) {
  expect(cache.resolve(reference)).toHaveProperty('reason');
  await cache.refresh(signal);
  return cache.resolve(reference);
}

test('a secret is fetched once and known from then on', async () => {
  const cache = open();
  expect(cache.isDue).toBe(false);
  expect(cache.resolve(REFERENCE)).toHaveProperty('reason');
  expect(cache.isDue).toBe(true);
  expect(await cache.refresh(signal)).toBe(true);
  expect(cache.isDue).toBe(false);
  expect(cache.resolve(REFERENCE)).toEqual({ value: 'value' });
  expect(await cache.refresh(signal)).toBe(false);
  expect(vault.requests).toHaveLength(1);
});

test('version 2 of the engine is read below `data`', async () => {
  vault.secrets.set('/v1/kv/data/jack', { data: { key: 'two' }, metadata: { version: 3 } });
  const cache = open({ prefix: 'kv/data' });
  expect(await read(cache, '$secret://vault/1/jack/key')).toEqual({ value: 'two' });
});

test('token and namespace go along, the token also from the environment', async () => {
  const cache = open({ token: '$ENV://TOKEN', namespace: 'team' });
  expect(await read(cache, REFERENCE)).toEqual({ value: 'value' });
  expect(vault.requests[0]?.headers).toMatchObject({
    'x-vault-token': 'root',
    'x-vault-namespace': 'team',
  });
});

test.each([
  ['$secret://vault/1/jack', "can't find main key|error key format"],
  ['$secret://vault/1/jack/', "can't find sub key"],
  ['$secret://vault/1/jack/missing', 'vault has no field missing there'],
  ['$secret://vault/1/nobody/key', 'vault answered 404 without data'],
  ['$secret://vault/2/jack/key', 'no secret conf'],
  ['$secret://vault/1', 'no secret key id'],
  ['$secret://vault', 'no secret conf id'],
  ['$secret://', 'no secret manager'],
])('%s has no value: %s', async (reference, reason) => {
  const resolution = await read(open(), reference);
  expect(resolution).toMatchObject({ reason: expect.stringMatching(reason) as string });
});

test('a wrong token and a vault that is gone give a reason, without the token', async () => {
  expect(await read(open({ token: 'wrong-token' }), REFERENCE)).toMatchObject({
    reason: 'vault answered 403 without data',
  });
  const cache = open({ token: 'wrong-token' });
  await vault.close();
  const resolution = await read(cache, REFERENCE);
  expect(resolution).toMatchObject({ reason: expect.stringContaining('ECONNREFUSED') as string });
  expect(JSON.stringify(resolution)).not.toContain('wrong-token');
});

test('a redirect is not followed: the token would go with it', async () => {
  const other = await startVault();
  other.secrets.set('/v1/kv/jack', { 'auth-key': 'stolen' });
  const { default: http } = await import('node:http');
  const redirecting = http.createServer((request, response) => {
    response.writeHead(307, { Location: `${other.uri}${request.url ?? ''}` }).end();
  });
  await new Promise<void>((resolve) => redirecting.listen(0, '127.0.0.1', resolve));
  const address = redirecting.address() as { port: number };
  expect(await read(open({ uri: `http://127.0.0.1:${address.port}` }), REFERENCE)).toHaveProperty(
    'reason',
  );
  expect(other.requests).toEqual([]);
  redirecting.close();
  await other.close();
});

test('a new value is taken over when the old one has had its time', async () => {
  const cache = open({}, { ttlMs: 0 });
  await read(cache, REFERENCE);
  expect(await cache.refresh(signal)).toBe(false);
  vault.secrets.set('/v1/kv/jack', { 'auth-key': 'rotated' });
  expect(await cache.refresh(signal)).toBe(true);
  expect(cache.resolve(REFERENCE)).toEqual({ value: 'rotated' });
});

test('the last value stays while vault does not answer', async () => {
  const cache = open({}, { ttlMs: 0 });
  await read(cache, REFERENCE);
  vault.sealed = true;
  expect(await cache.refresh(signal)).toBe(false);
  expect(cache.resolve(REFERENCE)).toEqual({ value: 'value' });
  expect(log.lines.join()).toContain(`${REFERENCE} keeps its last value: vault answered 503`);
});

test('a value is gone at once with its secret manager', async () => {
  const cache = open();
  await read(cache, REFERENCE);
  const gone = { kind: 'delete', key: '/secrets/vault/1', revision: 2 } as const;
  expect(cache.observe({ kind: 'changes', revision: 2, changes: [gone] })).toBe(true);
  expect(cache.resolve(REFERENCE)).toHaveProperty('reason');
});

test('a changed secret manager is asked anew', async () => {
  const cache = open({ token: 'wrong' });
  await read(cache, REFERENCE);
  const value = { uri: vault.uri, prefix: 'kv', token: 'root' };
  const put = { kind: 'put', item: item('/secrets/vault/1', value) } as const;
  expect(cache.observe({ kind: 'changes', revision: 2, changes: [put] })).toBe(true);
  expect(cache.isDue).toBe(true);
  await cache.refresh(signal);
  expect(cache.resolve(REFERENCE)).toEqual({ value: 'value' });
});

test('what nobody asks for any more is not fetched any more', async () => {
  const cache = open({}, { ttlMs: 0 });
  await read(cache, REFERENCE);
  cache.askAnew(() => undefined);
  await cache.refresh(signal);
  expect(vault.requests).toHaveLength(1);
});

test('each secret manager is asked with its own conf', async () => {
  const cache = open();
  const put = (key: string, value: unknown) => ({ kind: 'put', item: item(key, value) }) as const;
  const aws = { access_key_id: 'a', secret_access_key: 'b', endpoint_url: vault.uri };
  const auth_config = {
    client_email: 'a',
    private_key: 'no key',
    project_id: 'p',
    token_uri: vault.uri,
  };
  const changes = [put('/secrets/aws/1', aws), put('/secrets/gcp/1', { auth_config })];
  cache.observe({ kind: 'changes', revision: 2, changes });
  // what answers there is no AWS; a key that is none signs nothing
  expect(await read(cache, '$secret://aws/1/jack/key')).toMatchObject({
    reason: expect.stringContaining('invalid status code 403'),
  });
  expect(await read(cache, '$secret://gcp/1/jack/key')).toMatchObject({
    reason: expect.stringContaining('gcp secret manager'),
  });
  expect(await read(cache, '$secret://safe/1/jack/key')).toMatchObject({
    reason: expect.stringContaining('no secret conf'),
  });
});
