import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import type { TlsSession } from '../request/exchange.ts';
import { CertificateWorkshop, hasOpenssl } from './certificates.fixture.ts';
import { sslVariable } from './ssl-variables.ts';

const sessionOf = (certificate: X509Certificate | undefined): TlsSession => ({
  serverName: undefined,
  protocol: 'TLSv1.2',
  cipher: 'ECDHE-RSA-AES128-GCM-SHA256',
  isResumed: true,
  clientVerify: certificate === undefined ? 'NONE' : 'FAILED:certificate has expired',
  clientCertificate: () => certificate,
});

test('a session without a client certificate has the other variables', () => {
  const read = (name: string) => sslVariable(sessionOf(undefined), name);
  expect([read('ssl_protocol'), read('ssl_session_reused'), read('ssl_client_verify')]).toEqual([
    'TLSv1.2',
    'r',
    'NONE',
  ]);
  expect([read('ssl_server_name'), read('ssl_client_s_dn'), read('ssl_client_raw_cert')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('clear text and unknown names have none', () => {
  expect(sslVariable(undefined, 'ssl_protocol')).toBeUndefined();
  expect(sslVariable(sessionOf(undefined), 'ssl_curve_of_the_day')).toBeUndefined();
  expect(sslVariable(sessionOf(undefined), 'constructor')).toBeUndefined();
});

describe.skipIf(!hasOpenssl())('of a client certificate', () => {
  const workshop = new CertificateWorkshop();
  afterAll(() => workshop.dispose());

  test.each([
    '/CN=jack',
    '/C=DE/O=Foo, Bar & "Baz"/OU=a+b;c<d>/CN=jack',
    '/O=\u00d6lpe \u20ac/CN=#hash \\\\ back',
    '/DC=test/O= leading and trailing /CN=a=b',
  ])('the name %s reads as openssl has it in RFC 2253', (subject) => {
    const { cert } = workshop.authority(subject);
    const args = ['x509', '-noout', '-subject', '-nameopt', 'RFC2253'];
    const { stdout } = spawnSync('openssl', args, { input: cert });
    const expected = stdout
      .toString()
      .replace(/^subject=/, '')
      .trimEnd();
    const session = sessionOf(new X509Certificate(cert));
    expect(sslVariable(session, 'ssl_client_s_dn')).toBe(expected);
    expect(sslVariable(session, 'ssl_client_i_dn')).toBe(expected);
  });

  test('serial, fingerprint and the certificate itself read as nginx has them', () => {
    const { cert } = workshop.authority('/CN=jack');
    const ask = (...args: string[]) =>
      spawnSync('openssl', ['x509', '-noout', ...args], { input: cert })
        .stdout.toString()
        .trim();
    const read = (name: string) => sslVariable(sessionOf(new X509Certificate(cert)), name);
    expect(`serial=${read('ssl_client_serial')}`).toBe(ask('-serial'));
    const fingerprint = ask('-fingerprint', '-sha1').replace(/.*=/, '').replaceAll(':', '');
    expect(read('ssl_client_fingerprint')).toBe(fingerprint.toLowerCase());
    expect(read('ssl_client_raw_cert')).toBe(cert);
    expect(read('ssl_client_cert')?.replaceAll('\n\t', '\n')).toBe(cert.trimEnd());
    expect(decodeURIComponent(read('ssl_client_escaped_cert') ?? '')).toBe(cert);
    expect(read('ssl_client_escaped_cert')).toMatch(/^-----BEGIN%20CERTIFICATE-----%0A[\w%.~-]+$/);
    expect(`notAfter=${read('ssl_client_v_end')}`).toBe(ask('-enddate'));
    expect(read('ssl_client_v_remain')).toBe('0');
  });
});
