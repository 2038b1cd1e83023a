import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestCertificates } from '@polygate/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from '../admin-api.harness.ts';

function hasOpenssl(): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return true;
  assert(process.env['CI'] !== 'true', 'openssl must be on PATH in CI');
  process.stderr.write('SKIPPED: openssl is not on PATH\n');
  return false;
}

describe.skipIf(!hasOpenssl())('ssls', () => {
  let server: { cert: string; key: string };
  let client: { cert: string; key: string };
  let api: RunningAdminApi;
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'admin-ssls-'));
    const files = await createTestCertificates(folder);
    const read = async (cert: string, key: string) => ({
      cert: await readFile(cert, 'utf8'),
      key: await readFile(key, 'utf8'),
    });
    server = await read(files.serverCertFile, files.serverKeyFile);
    client = await read(files.clientCertFile, files.clientKeyFile);
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    api = await runAdminApi();
  });
  afterEach(() => api.stop());

  test('keys are stored encrypted and never shown again', async () => {
    const more = { certs: [client.cert], keys: [client.key] };
    const created = await api.call('PUT', '/ssls/1', { ...server, ...more, sni: 'a.com' });
    expect(created.status).toBe(201);
    const stored = (await api.store.get('/ssls/1'))?.value as { key: string; keys: string[] };
    expect([stored.key, ...stored.keys].join()).not.toMatch(/---|PRIVATE/);
    expect(created.text).not.toContain('PRIVATE KEY');

    const one = await api.call('GET', '/ssls/1');
    expect(one.body.value).toMatchObject({ cert: server.cert, certs: [client.cert], sni: 'a.com' });
    const many = await api.call('GET', '/ssls');
    expect(many.body.total).toBe(1);
    for (const value of [one.body.value, many.body.list[0].value]) {
      expect(value).not.toHaveProperty('key');
      expect(value).not.toHaveProperty('keys');
    }
  });

  test('a patch is checked against the stored key', async () => {
    await api.call('PUT', '/ssls/1', { ...server, sni: 'a.com' });
    const named = await api.call('PATCH', '/ssls/1', { sni: 'b.com' });
    expect([named.status, named.body.value.sni]).toEqual([200, 'b.com']);
    const status = await api.call('PATCH', '/ssls/1/status', '0');
    expect(status.body.value.status).toBe(0);
    const other = await api.call('PATCH', '/ssls/1', { cert: client.cert });
    expect([other.status, other.body.error_msg]).toEqual([
      400,
      'failed to parse key: it does not belong to the certificate',
    ]);
    const both = await api.call('PATCH', '/ssls/1', client);
    expect(both.status).toBe(200);
    expect((await api.store.get('/ssls/1'))?.value).toMatchObject({
      cert: client.cert,
      key: expect.not.stringContaining('---'),
    });
  });

  test('an object that breaks a rule is refused', async () => {
    const refused = async (ssl: object): Promise<string> => {
      const { status, body } = await api.call('PUT', '/ssls/1', ssl);
      return `${status} ${body.error_msg}`;
    };
    expect(await refused(server)).toBe('400 invalid configuration: then clause did not match');
    expect(await refused({ ...server, sni: 'a.com', key: client.key })).toBe(
      '400 failed to parse key: it does not belong to the certificate',
    );
    expect(await refused({ ...server, sni: 'a.com', certs: [client.cert] })).toBe(
      '400 mismatched number of certs and keys',
    );
    expect((await api.store.list('/ssls/')).items).toEqual([]);
  });

  test('upstreams may name a client’s certificate', async () => {
    await api.call('PUT', '/ssls/server', { ...server, sni: 'a.com' });
    await api.call('PUT', '/ssls/client', { ...client, type: 'client' });
    const upstream = (id: string): object => ({
      type: 'roundrobin',
      nodes: { '127.0.0.1:1980': 1 },
      tls: { client_cert_id: id },
    });
    expect((await api.call('PUT', '/upstreams/1', upstream('client'))).status).toBe(201);
    expect((await api.call('PUT', '/upstreams/2', upstream('server'))).body.error_msg).toBe(
      'failed to fetch ssl info by ssl id [server], wrong ssl type',
    );
  });
});
