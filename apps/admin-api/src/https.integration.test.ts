import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestCertificates, type TestCertificates } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_KEY, runAdminApi, type RunningAdminApi } from './admin-api.harness.ts';

function hasOpenssl(): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return true;
  assert(process.env['CI'] !== 'true', 'openssl must be on PATH in CI');
  process.stderr.write('SKIPPED: openssl is not on PATH\n');
  return false;
}

describe.skipIf(!hasOpenssl())('the Admin API with https_admin', () => {
  let folder: string;
  let files: TestCertificates;
  let api: RunningAdminApi | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'admin-https-'));
    files = await createTestCertificates(folder);
  });
  afterAll(() => rm(folder, { recursive: true }));
  afterEach(() => api?.stop());

  async function start(mtls: Record<string, string>) {
    const admin = `admin_key: [{ name: a, key: ${ADMIN_KEY} }]
    https_admin: true
    admin_api_mtls: ${JSON.stringify(mtls)}`;
    api = await runAdminApi({ admin });
    return Number(new URL(api.url).port);
  }

  /** The status of an answer; rejects when the connection is refused. */
  function ask(port: number, client: { cert?: Buffer; key?: Buffer } = {}): Promise<number> {
    const tls = { ca: readFileSync(files.caFile), ...client };
    const headers = { 'x-api-key': ADMIN_KEY };
    const options = { host: '127.0.0.1', port, path: '/apisix/admin/routes', agent: false };
    return new Promise((resolve, reject) => {
      get({ ...options, ...tls, headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).on('error', reject);
    });
  }

  test('serves over TLS, and not without it', async () => {
    const port = await start({
      admin_ssl_cert: files.serverCertFile,
      admin_ssl_cert_key: files.serverKeyFile,
    });
    expect(await ask(port)).toBe(200);
    await expect(fetch(`http://127.0.0.1:${port}/apisix/admin/routes`)).rejects.toThrow();
  });

  test('with a client authority only clients with its certificate get in', async () => {
    const port = await start({
      admin_ssl_cert: files.serverCertFile,
      admin_ssl_cert_key: files.serverKeyFile,
      admin_ssl_ca_cert: files.caFile,
    });
    const client = {
      cert: readFileSync(files.clientCertFile),
      key: readFileSync(files.clientKeyFile),
    };
    expect(await ask(port, client)).toBe(200);
    await expect(ask(port)).rejects.toThrow();
  });
});
