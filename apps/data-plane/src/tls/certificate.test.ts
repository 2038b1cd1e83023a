import type { SslResource } from '@polygate/model';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateTable } from './certificate-table.ts';
import { compileSsl } from './certificate.ts';
import { CertificateWorkshop, hasOpenssl } from './certificates.fixture.ts';
import type { IssuedPair, TestAuthority } from './certificates.fixture.ts';
import { DEFAULT_TLS_SETTINGS } from './tls-settings.ts';
import { UpstreamTlsCompiler } from './upstream-tls.ts';

describe.skipIf(!hasOpenssl())('certificates', () => {
  const workshop = new CertificateWorkshop();
  let authority: TestAuthority;
  let a: IssuedPair;
  let b: IssuedPair;

  beforeAll(() => {
    authority = workshop.authority('/CN=authority');
    a = authority.issue('/CN=a');
    b = authority.issue('/CN=b');
  });
  afterAll(() => workshop.dispose());

  const compile = (written: Partial<SslResource>, id = '1', createdIndex = 1) =>
    compileSsl(
      { id, createdIndex, value: { type: 'server', status: 1, sni: 'a.test', ...a, ...written } },
      DEFAULT_TLS_SETTINGS,
    );

  test.each<[string, () => Partial<SslResource>, string]>([
    [
      'a key of another certificate',
      () => ({ key: b.key }),
      'failed to parse key: it does not belong to the certificate',
    ],
    [
      'a reference that was not resolved',
      () => ({ cert: '$secret://vault/1/a/b' }),
      'failed to parse cert: ERR_OSSL_PEM_NO_START_LINE',
    ],
    [
      'a key that is still encrypted',
      () => ({ key: 'c2VjcmV0' }),
      'failed to parse key: ERR_OSSL_UNSUPPORTED',
    ],
    [
      'a bad further pair',
      () => ({ certs: [b.cert], keys: [a.key] }),
      'failed to handle cert-key pair[1]: failed to parse key: it does not belong to the certificate',
    ],
    [
      'more certificates than keys',
      () => ({ certs: [b.cert], keys: [] }),
      'mismatched number of certs and keys',
    ],
    [
      'no authority for clients',
      () => ({ client: { ca: 'none', depth: 1 } }),
      'failed to validate client_cert: there is none in it',
    ],
    [
      'a path that is no pattern',
      () => ({ client: { ca: authority.cert, depth: 1, skip_mtls_uri_regex: ['('] } }),
      'pcre_compile() failed: missing )',
    ],
  ])('an object with %s is refused with the reason', (_what, written, reason) => {
    expect(() => compile(written())).toThrow(reason);
  });

  test('a reason holds nothing of a key', () => {
    try {
      compile({ key: b.key });
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain(b.key.slice(40, 60));
    }
  });

  test('what is switched off is not found, nor is a certificate for upstreams', () => {
    const table = new CertificateTable([
      compile({ status: 0 }),
      compile({ type: 'client', sni: 'a.test' }, '2'),
      compile({ snis: ['B.test.'] }, '3'),
    ]);
    expect(table.find('a.test')).toBeUndefined();
    expect(table.find('b.test')?.id).toBe('3');
    expect(table.verifiesClients).toBe(false);
  });

  test('of two objects with one name the older one is served', () => {
    const table = new CertificateTable([compile({}, 'new', 7), compile({}, 'old', 3)]);
    expect(table.find('a.test')?.id).toBe('old');
  });

  describe('for upstreams', () => {
    const compiler = new UpstreamTlsCompiler(undefined);
    const table = () =>
      new CertificateTable([compile({ type: 'client', status: 0 }, '7'), compile({}, '8')]);

    test('clear text has no TLS', () => {
      expect(compiler.compile({ scheme: 'http' }, table())).toBeUndefined();
      expect(compiler.compile({ scheme: 'grpc', tls: { verify: true } }, table())).toBeUndefined();
    });

    test('upstreams without a certificate share one context, as identity shows', () => {
      const [one, two] = [1, 2].map(() => compiler.compile({ scheme: 'https' }, table()));
      expect(one).toEqual({ identity: '', secureContext: two?.secureContext, verify: false });
      const verifying = compiler.compile({ scheme: 'grpcs', tls: { verify: true } }, table());
      expect(verifying?.verify).toBe(true);
      expect(verifying?.identity).not.toBe(one?.identity);
      expect(verifying?.secureContext).not.toBe(one?.secureContext);
    });

    test('one certificate is one identity, however it is given', () => {
      const written = { client_cert: a.cert, client_key: a.key };
      const own = compiler.compile({ scheme: 'https', tls: written }, table());
      const other = { client_cert: b.cert, client_key: b.key };
      const others = compiler.compile({ scheme: 'https', tls: other }, table());
      const referred = compiler.compile({ scheme: 'https', tls: { client_cert_id: 7 } }, table());
      expect(own?.identity).toBe(referred?.identity);
      expect(own?.identity).not.toBe(others?.identity);
    });

    test('a certificate that is not there is named', () => {
      const refer = (id: string) => () =>
        compiler.compile({ scheme: 'https', tls: { client_cert_id: id } }, table());
      expect(refer('9')).toThrow('failed to get ssl cert: ssl id [9] not exits');
      expect(refer('8')).toThrow("failed to get ssl cert: ssl type should be 'client'");
    });

    test('a key of another certificate is refused', () => {
      const tls = { client_cert: a.cert, client_key: b.key };
      expect(() => compiler.compile({ scheme: 'https', tls }, table())).toThrow(
        'tls.client_key does not belong to tls.client_cert',
      );
    });
  });
});
