import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from './load-config.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'chassis-ssl-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function load(ssl: object, apisix: object = {}) {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, JSON.stringify({ apisix: { ...apisix, ssl } }));
  return loadConfig(file, {});
}

test('without a word TLS is on, as in APISIX, but reached from this machine only', () => {
  const { ssl } = load({});
  expect(ssl).toMatchObject({
    enabled: true,
    listen: [{ host: '127.0.0.1', port: 9443 }],
    http2: true,
    protocols: ['TLSv1.2', 'TLSv1.3'],
    sessionTickets: false,
    fallbackServerName: undefined,
  });
  expect(ssl).not.toHaveProperty('trustedCaFile');
});

test('a list of addresses is taken as APISIX takes it', () => {
  const listen = [{ port: 8443 }, { ip: '127.0.0.3' }, { ip: '::1', port: 443 }];
  expect(load({ listen }).ssl.listen).toEqual([
    { host: '0.0.0.0', port: 8443 },
    { host: '127.0.0.3', port: 9443 },
    { host: '::1', port: 443 },
  ]);
});

test('HTTP/3 is taken and does nothing', () => {
  expect(load({ listen: [{ port: 1, enable_http3: true }] }).withoutEffect).toEqual([
    'apisix.ssl.listen[0].enable_http3',
  ]);
});

test('protocols are sorted from old to new, and HTTP/2 follows its switch', () => {
  const { ssl } = load({ ssl_protocols: ' TLSv1.3  TLSv1.1 ' }, { enable_http2: false });
  expect([ssl.protocols, ssl.http2]).toEqual([['TLSv1.1', 'TLSv1.3'], false]);
});

test.each([
  [{ ssl_protocols: 'TLSv1.2 TLSv1.4' }, 'apisix.ssl.ssl_protocols'],
  [{ ssl_protocols: '' }, 'apisix.ssl.ssl_protocols'],
  [{ ssl_protocols: 'SSLv3' }, 'apisix.ssl.ssl_protocols'],
  [{ ssl_ciphers: 'a; b' }, 'apisix.ssl.ssl_ciphers'],
  [{ fallback_sni: 'a b' }, 'apisix.ssl.fallback_sni'],
  [{ listen: [] }, 'apisix.ssl.listen'],
  [{ ssl_trusted_certificate: 'nowhere.pem' }, 'there is no file nowhere.pem'],
])('%j is refused', (ssl, problem) => {
  expect(() => load(ssl)).toThrow(problem);
});
