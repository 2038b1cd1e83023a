import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { type EtcdServer, hasEtcd, startEtcd } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { StoreError } from '../errors.ts';
import { type EtcdStore, type EtcdStoreOptions, openEtcdStore } from './etcd-store.ts';
import { recordWatch, silentLog as log, waitFor } from '../watch-recorder.ts';

const stores: EtcdStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

function open(etcd: EtcdServer, options: Partial<EtcdStoreOptions>): EtcdStore {
  const base = { endpoints: [etcd.endpoint], timeoutMs: 10_000, retryDelayMs: 20, log };
  const store = openEtcdStore({ ...base, ...options });
  stores.push(store);
  return store;
}

async function expectWorking(store: EtcdStore): Promise<void> {
  const { item } = await store.put('/routes/1', { v: 1 });
  const watch = recordWatch(store);
  await watch.until(() => watch.items.get('/routes/1')?.modifiedIndex === item.modifiedIndex);
  await watch.stop();
}

const refused = { name: 'StoreError', code: 'UNAUTHENTICATED' };

describe.skipIf(!hasEtcd())('EtcdStore over TLS', () => {
  let etcd: EtcdServer;
  beforeAll(async () => {
    etcd = await startEtcd({ tls: 'server' });
  });
  afterAll(() => etcd.close());
  const caFile = () => etcd.certificates!.caFile;

  test('works with a certificate of an authority it trusts', () =>
    expectWorking(open(etcd, { tls: { caFile: caFile() } })));

  test('refuses a certificate of an unknown authority', () =>
    expect(open(etcd, {}).get('/routes/1')).rejects.toMatchObject(refused));

  test('takes any certificate when verify is false', () =>
    expectWorking(open(etcd, { tls: { verify: false } })));

  test('expects serverName in the certificate instead of the address', async () => {
    await expectWorking(open(etcd, { tls: { caFile: caFile(), serverName: 'etcd.test' } }));
    const other = open(etcd, { tls: { caFile: caFile(), serverName: 'other.test' } });
    await expect(other.get('/routes/1')).rejects.toMatchObject(refused);
  });

  test('works by host name as well', async () => {
    const endpoints = [etcd.endpoint.replace('127.0.0.1', 'localhost')];
    await expectWorking(open(etcd, { endpoints, tls: { caFile: caFile() } }));
  });

  test('refuses a certificate that is for another address', async () => {
    const { clientCertFile, clientKeyFile } = etcd.certificates!;
    const [cert, key] = [readFileSync(clientCertFile), readFileSync(clientKeyFile)];
    const imposter = createServer({ cert, key, ALPNProtocols: ['h2'] }).listen(0, '127.0.0.1');
    await once(imposter, 'listening');
    const { port } = imposter.address() as AddressInfo;
    const endpoints = [`https://127.0.0.1:${port}`];
    const get = open(etcd, { endpoints, tls: { caFile: caFile() } }).get('/routes/1');
    await expect(get).rejects.toMatchObject(refused);
    imposter.close();
  });

  test('does not speak plain text to a TLS port', () => {
    const endpoints = [etcd.endpoint.replace('https:', 'http:')];
    const get = open(etcd, { endpoints, timeoutMs: 1000 }).get('/routes/1');
    return expect(get).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('names the TLS file it cannot read', () => {
    expect(() => open(etcd, { tls: { caFile: '/none/ca.pem' } })).toThrow('/none/ca.pem');
    expect(() => open(etcd, { tls: { certFile: caFile() } })).toThrow('cert and key');
  });
});

describe.skipIf(!hasEtcd())('EtcdStore with a client certificate', () => {
  let etcd: EtcdServer;
  beforeAll(async () => {
    etcd = await startEtcd({ tls: 'mutual' });
  });
  afterAll(() => etcd.close());

  test('works with one etcd trusts', () => {
    const { caFile, clientCertFile: certFile, clientKeyFile: keyFile } = etcd.certificates!;
    return expectWorking(open(etcd, { tls: { caFile, certFile, keyFile } }));
  });

  test('is refused without one', () => {
    const { caFile } = etcd.certificates!;
    const get = open(etcd, { tls: { caFile }, timeoutMs: 2000 }).get('/routes/1');
    return expect(get).rejects.toMatchObject({ name: 'StoreError' });
  });
});

describe.skipIf(!hasEtcd())('EtcdStore with user and password', () => {
  let etcd: EtcdServer;
  const root = { username: 'root', password: 'root-secret' };

  beforeAll(async () => {
    etcd = await startEtcd({ args: ['--auth-token-ttl=1', '--bcrypt-cost=4'] });
    await expectWorking(open(etcd, root));
    await etcd.ctl(['user', 'add', 'root:root-secret']);
    await etcd.ctl(['user', 'add', 'reader:reader-secret']);
    await etcd.ctl(['role', 'add', 'reader']);
    await etcd.ctl(['role', 'grant-permission', '--prefix', 'reader', 'read', '/apisix/']);
    await etcd.ctl(['user', 'grant-role', 'reader', 'reader']);
    await etcd.ctl(['auth', 'enable']);
  });
  afterAll(() => etcd.close());

  test('works', () => expectWorking(open(etcd, root)));

  test('is refused with a wrong password, an unknown user or none', async () => {
    for (const user of [{ ...root, password: 'no' }, { username: 'x', password: 'x' }, {}]) {
      await expect(open(etcd, user).get('/routes/1')).rejects.toMatchObject(refused);
    }
  });

  test('says in the watch that the password is wrong, not what it is', async () => {
    const watch = recordWatch(open(etcd, { username: 'root', password: 'wrong-secret' }));
    await watch.until(() => watch.statuses.length === 1);
    expect(watch.statuses[0]?.reason).toContain('authentication failed');
    expect(watch.statuses[0]?.reason).not.toContain('wrong-secret');
    await watch.stop();
  });

  test('keeps a user to what its role allows', async () => {
    const reader = open(etcd, { username: 'reader', password: 'reader-secret' });
    await reader.list('/');
    const watch = recordWatch(reader);
    await watch.until(() => watch.resyncs.length === 1);
    await watch.stop();
    await expect(reader.put('/routes/1', {})).rejects.toMatchObject(refused);
  });

  test('fetches a new token when etcd has forgotten the old one', async () => {
    const store = open(etcd, root);
    const { item } = await store.put('/routes/1', {});
    const watch = recordWatch(store);
    await watch.until(() => watch.resyncs.length === 1);
    // Simple tokens live in memory: a restart drops them all, sooner than their time is over.
    await etcd.stop();
    await etcd.start();
    // the connection that was refused meanwhile is tried again after a while
    await waitFor(() =>
      store.get('/routes/1').then(
        () => true,
        (error: StoreError) => {
          if (error.code !== 'UNAVAILABLE') throw error;
          return false;
        },
      ),
    );
    await store.put('/routes/1', { v: 2 }, { ifModifiedIndex: item.modifiedIndex });
    await watch.until(() => watch.changes.length === 1);
    expect(watch.resyncs).toHaveLength(1);
    await watch.stop();
  });
});
