import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { decryptPrivateKey, type Keyring } from '../../encryption/text-encryption.ts';
import { ConfigError } from '../../errors.ts';

/** Checks that the text begins with a certificate in PEM form. Throws ConfigError. */
export function checkCertificate(certificate: string): void {
  parseCertificate(certificate);
}

export interface KeyPair {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

/**
 * Checks that both can be read; the key may be encrypted with the keyring. Whether they belong
 * together is not looked at. Sources: validate in apisix/ssl.lua. Throws ConfigError.
 */
export function checkKeyPair(certificate: string, key: string, keyring: Keyring): KeyPair {
  const parsed = parseCertificate(certificate);
  const clear = decryptPrivateKey(key, keyring);
  if (clear === undefined) throw new ConfigError('failed to decrypt previous encrypted key');
  return { certificate: parsed, key: parseKey(clear) };
}

function parseCertificate(certificate: string): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw new ConfigError('failed to parse cert: PEM_read_bio_X509_AUX() failed', { cause });
  }
}

function parseKey(key: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (cause) {
    throw new ConfigError('failed to parse key: PEM_read_bio_PrivateKey() failed', { cause });
  }
}
