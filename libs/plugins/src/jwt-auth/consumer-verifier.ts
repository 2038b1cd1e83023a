import { createPublicKey, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { signatureVerifier, type SignatureVerifier } from '../jwt-signature.ts';

/** What the tokens of one consumer are verified with. */
export interface ConsumerVerifier {
  readonly algorithm: string;
  /** Undefined: its key is unusable, and no token passes. */
  readonly verify: SignatureVerifier | undefined;
  readonly graceSeconds: number;
}

/** Parsing a key takes longer than verifying with it. Goes with the conf of the consumer. */
const verifiers = new WeakMap<object, ConsumerVerifier>();

export function consumerVerifier({ authConf }: ConsumerMatch): ConsumerVerifier {
  const known = verifiers.get(authConf);
  if (known !== undefined) return known;
  const { algorithm = 'HS256', lifetime_grace_period: grace = 0 } = authConf;
  const made = {
    algorithm: String(algorithm),
    verify: makeVerifier(String(algorithm), authConf),
    graceSeconds: Number(grace),
  };
  verifiers.set(authConf, made);
  return made;
}

function makeVerifier(
  algorithm: string,
  conf: ConsumerMatch['authConf'],
): SignatureVerifier | undefined {
  try {
    const key = algorithm.startsWith('HS') ? secretKey(conf) : publicKey(conf);
    return key === undefined ? undefined : signatureVerifier(algorithm, key);
  } catch {
    // PEM comes from the configuration unchecked, as in APISIX: a broken key verifies nothing
    return undefined;
  }
}

function secretKey({ secret, base64_secret: isBase64 }: ConsumerMatch['authConf']) {
  if (typeof secret !== 'string' || secret === '') return undefined;
  return createSecretKey(Buffer.from(secret, isBase64 === true ? 'base64' : 'utf8'));
}

function publicKey({ public_key: pem }: ConsumerMatch['authConf']): KeyObject | undefined {
  return typeof pem === 'string' ? createPublicKey(pem) : undefined;
}
