import { constants, createHmac, timingSafeEqual, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { decodeBase64Url } from './base64.ts';
import type { JsonWebToken } from './json-web-token.ts';

type Family = 'hmac' | 'rsa' | 'rsa-pss' | 'ec' | 'eddsa';

interface Algorithm {
  readonly family: Family;
  /** Undefined for EdDSA, which hashes by itself. */
  readonly hash: string | undefined;
  /** Of an elliptic curve, as node names it. */
  readonly curve?: string;
}

/** RFC 7518 and RFC 8037. */
const ALGORITHMS: ReadonlyMap<unknown, Algorithm> = new Map<unknown, Algorithm>([
  ['HS256', { family: 'hmac', hash: 'sha256' }],
  ['HS384', { family: 'hmac', hash: 'sha384' }],
  ['HS512', { family: 'hmac', hash: 'sha512' }],
  ['RS256', { family: 'rsa', hash: 'sha256' }],
  ['RS384', { family: 'rsa', hash: 'sha384' }],
  ['RS512', { family: 'rsa', hash: 'sha512' }],
  ['PS256', { family: 'rsa-pss', hash: 'sha256' }],
  ['PS384', { family: 'rsa-pss', hash: 'sha384' }],
  ['PS512', { family: 'rsa-pss', hash: 'sha512' }],
  ['ES256', { family: 'ec', hash: 'sha256', curve: 'prime256v1' }],
  ['ES384', { family: 'ec', hash: 'sha384', curve: 'secp384r1' }],
  ['ES512', { family: 'ec', hash: 'sha512', curve: 'secp521r1' }],
  ['EdDSA', { family: 'eddsa', hash: undefined }],
]);

/** Whether a token's signature is that of one key by one algorithm. */
export type SignatureVerifier = (token: JsonWebToken) => boolean;

/**
 * Makes the verifier of a key. The algorithm is the one the key's owner chose, never the token's own: a
 * token that names another one does not pass. Throws a TypeError for an algorithm that is not known and
 * for a key that is not made for it, so that no public key ever serves as an HMAC secret.
 */
export function signatureVerifier(name: string, key: KeyObject): SignatureVerifier {
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined) throw new TypeError(`unknown algorithm ${name}`);
  if (!isKeyOf(algorithm, key)) throw new TypeError(`the key is not made for ${name}`);
  const holds = algorithm.family === 'hmac' ? macVerifier : publicKeyVerifier;
  const verifySignature = holds(algorithm, key);
  return (token) => {
    if (token.header['alg'] !== name) return false;
    const signature = decodeBase64Url(token.signature);
    if (signature === undefined) return false;
    return verifySignature(Buffer.from(token.signingInput, 'latin1'), signature);
  };
}

type BytesVerifier = (data: Buffer, signature: Buffer) => boolean;

function macVerifier({ hash }: Algorithm, key: KeyObject): BytesVerifier {
  return (data, signature) => {
    const expected = createHmac(hash as string, key)
      .update(data)
      .digest();
    return expected.length === signature.length && timingSafeEqual(expected, signature);
  };
}

function publicKeyVerifier({ family, hash }: Algorithm, key: KeyObject): BytesVerifier {
  const input =
    family === 'rsa-pss'
      ? {
          key,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_AUTO,
        }
      : { key, dsaEncoding: 'ieee-p1363' as const };
  return (data, signature) => verify(hash, data, input, signature);
}

function isKeyOf({ family, curve }: Algorithm, key: KeyObject): boolean {
  if (family === 'hmac') return key.type === 'secret';
  if (key.type !== 'public') return false;
  switch (family) {
    case 'rsa':
      return key.asymmetricKeyType === 'rsa';
    case 'rsa-pss':
      return key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'rsa-pss';
    case 'ec':
      return key.asymmetricKeyDetails?.namedCurve === curve;
    case 'eddsa':
      return key.asymmetricKeyType === 'ed25519' || key.asymmetricKeyType === 'ed448';
  }
}
