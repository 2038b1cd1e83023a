import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';
import { encryptText } from '../../encryption/text-encryption.ts';
import { checkSsl } from './check-ssl.ts';
import { validateResource } from '../validate-resource.ts';

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Self-signed. */
function makePair(): Pair {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const made = spawnSync(
    'openssl',
    ['req', '-x509', ...newKey, '-subj', '/CN=test', '-keyout', '-', '-out', '-'],
    { encoding: 'utf8' },
  );
  const at = made.stdout.indexOf('-----BEGIN CERTIFICATE');
  return { key: made.stdout.slice(0, at), cert: made.stdout.slice(at) };
}

function hasOpenssl(): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return true;
  assert(process.env['CI'] !== 'true', 'openssl must be on PATH in CI');
  process.stderr.write('SKIPPED: openssl is not on PATH\n');
  return false;
}

const KEYRING = ['edd1c9f0985e76a2'];

describe.skipIf(!hasOpenssl())('an SSL object', () => {
  let one: Pair;
  let other: Pair;
  beforeAll(() => {
    one = makePair();
    other = makePair();
  });
  const faultOf = (ssl: object, keyring: readonly string[] = []): string | undefined => {
    try {
      checkSsl({ type: 'server', ...ssl }, keyring);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };

  test('has a certificate and a key that can be read', () => {
    expect(faultOf(one)).toBeUndefined();
    expect(faultOf({ ...one, cert: one.key })).toMatch(/^failed to parse cert: /);
    expect(faultOf({ ...one, key: one.cert })).toMatch(/^failed to parse key: /);
  });

  test('has a key that belongs to the certificate, also where it is a client’s', () => {
    const fault = 'failed to parse key: it does not belong to the certificate';
    expect(faultOf({ ...one, key: other.key })).toBe(fault);
    expect(faultOf({ type: 'client', ...one, key: other.key })).toBe(fault);
  });

  test('has as many further certificates as keys, pair by pair', () => {
    const more = (certs: string[], keys: string[]): string | undefined =>
      faultOf({ ...one, certs, keys });
    expect(more([other.cert], [other.key])).toBeUndefined();
    expect(more([other.cert], [])).toBe('mismatched number of certs and keys');
    expect(more([other.cert, one.cert], [other.key, other.key])).toBe(
      'failed to handle cert-key pair[2]: ' +
        'failed to parse key: it does not belong to the certificate',
    );
  });

  test('has an authority for clients that can be read', () => {
    expect(faultOf({ ...one, client: { ca: other.cert } })).toBeUndefined();
    expect(faultOf({ ...one, client: { ca: 'x'.repeat(128) } })).toMatch(
      /^failed to validate client_cert: failed to parse cert: /,
    );
    expect(faultOf({ ...one, client: { ca: '$env://CA' } })).toBeUndefined();
  });

  test('may have its key encrypted, with a key of the keyring', () => {
    const key = encryptText(one.key, KEYRING);
    expect(faultOf({ ...one, key }, KEYRING)).toBeUndefined();
    expect(faultOf({ ...one, key }, ['qeddd145sfvddff3'])).toBe(
      'failed to decrypt previous encrypted key',
    );
  });

  test('is looked into as far as it is no reference to a secret', () => {
    expect(faultOf({ ...one, key: '$secret://vault/1/ssl/key' })).toBeUndefined();
    const other = { ...one, cert: 'x'.repeat(200), key: '$env://KEY' };
    expect(faultOf(other)).toContain('failed to parse cert');
    expect(faultOf({ cert: '$ENV://CERT', key: 'none' })).toBeUndefined();
  });

  test('needs names, unless it is a client’s', () => {
    const check = (ssl: object) => (): object =>
      validateResource('ssls', ssl, { plugins: new Map(), unknownPlugins: 'reject' }).value;
    expect(check(one)).toThrow('invalid configuration: then clause did not match');
    expect(check({ ...one, sni: 'a.com', snis: ['b.com'] })).toThrow('then clause did not match');
    expect(check({ ...one, snis: [] })).toThrow('expect array to have at least 1 items');
    expect(check({ ...one, sni: '*.a.com' })()).toMatchObject({ type: 'server', status: 1 });
    expect(check({ ...one, type: 'client' })()).toMatchObject({ status: 1 });
    const old = { ...one, sni: 'a.com', ssl_protocols: ['TLSv1.0'] };
    expect(check(old)).toThrow('property "ssl_protocols" validation failed');
  });
});
