import type { Keyring } from '../../encryption/text-encryption.ts';
import { ConfigError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../../json-value.ts';
import { isSecretReference } from '../../schema/compile-schema.ts';
import { checkCertificate, checkKeyPair } from './check-certificate.ts';

/**
 * What the schema of an SSL object cannot say: its certificates and keys can be read and belong
 * together; APISIX leaves the latter to the handshake. References to secrets are not resolved.
 * Sources: check_ssl_conf in apisix/ssl.lua. Throws ConfigError.
 */
export function checkSsl(ssl: JsonObject, keyring: Keyring): void {
  checkPair(String(ssl['cert']), String(ssl['key']), keyring);
  if (ssl['type'] === 'client') return;

  const certificates = textsOf(ssl['certs']);
  const keys = textsOf(ssl['keys']);
  if (certificates.length !== keys.length) {
    throw new ConfigError('mismatched number of certs and keys');
  }
  certificates.forEach((certificate, i) => {
    explain(`failed to handle cert-key pair[${i + 1}]`, () =>
      checkPair(certificate, keys[i] ?? '', keyring),
    );
  });
  if (isJsonObject(ssl['client'])) checkAuthority(String(ssl['client']['ca']));
}

function checkPair(certificate: string, key: string, keyring: Keyring): void {
  // where the key is kept elsewhere, the certificate can be read all the same
  if (isSecretReference(key) && !isSecretReference(certificate)) checkCertificate(certificate);
  if (isSecretReference(certificate) || isSecretReference(key)) return;
  const pair = checkKeyPair(certificate, key, keyring);
  if (pair.certificate.checkPrivateKey(pair.key)) return;
  throw new ConfigError('failed to parse key: it does not belong to the certificate');
}

function checkAuthority(certificate: string): void {
  if (isSecretReference(certificate)) return;
  explain('failed to validate client_cert', () => checkCertificate(certificate));
}

/** What the check refuses is refused with the words in front. */
function explain(what: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${what}: ${error.message}`, { cause: error });
  }
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? (value as readonly string[]) : [];
}
