import { constants, createPrivateKey, hash, randomUUID, sign, type KeyObject } from 'node:crypto';
import type { HttpAnswer } from '../http-call.ts';
import { JWK_MEMBERS } from './check-conf.ts';
import type { DpopConf } from './conf.ts';
import { OpenidError, type Json } from './provider.ts';

/** What a proof is for. */
export interface ProofTarget {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  /** When it goes along with the request. */
  readonly accessToken?: string;
  /** The discovery document. */
  readonly metadata: Json;
}

const NONCE_CHARS_MAX = 512;
/** The token endpoint's and the one of the user info, and a few for a document that changes. */
const NONCES_MAX = 8;

/**
 * Proofs that the client has the key that its tokens are bound to (RFC 9449), for the calls to the
 * provider that give or take a token. One per conf. Tokens of the gateway's own clients are not asked for
 * proofs: the same as lua-resty-openidc, whose `use_dpop` is the client's side alone.
 */
export class DpopProofs {
  /** RFC 7638: what the provider is told of the key when a login begins. */
  readonly thumbprint: string;
  readonly #algorithm: string;
  readonly #pem: string;
  readonly #publicJwk: Json;
  readonly #nonces = new Map<string, string>();
  #key: KeyObject | undefined;

  constructor({ signing_alg: algorithm, private_key: pem = '', public_jwk: jwk = {} }: DpopConf) {
    this.#algorithm = algorithm;
    this.#pem = pem;
    // members of no use to the provider, as `kid`, are left out; RFC 7638 wants them sorted
    const members = [...(JWK_MEMBERS[String(jwk['kty'])] ?? []), 'kty'].sort();
    this.#publicJwk = Object.fromEntries(members.map((name) => [name, jwk[name]]));
    this.thumbprint = hash('sha256', JSON.stringify(this.#publicJwk), 'base64url');
  }

  /** Calls with a proof, and once more when the provider asks for one with a nonce of its. */
  async call(
    target: ProofTarget,
    send: (proof: string) => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    this.#checkAlgorithm(target.metadata);
    const answer = await send(this.#proof(target));
    const isNew = this.#takeNonce(target, answer);
    if (!isNew || !asksForNonce(answer)) return answer;
    const second = await send(this.#proof(target));
    this.#takeNonce(target, second);
    return second;
  }

  #checkAlgorithm({ dpop_signing_alg_values_supported: supported }: Json): void {
    if (!Array.isArray(supported) || supported.includes(this.#algorithm)) return;
    throw new OpenidError(`dpop.signing_alg ${this.#algorithm} is not one that the provider takes`);
  }

  #proof({ method, url, accessToken }: ProofTarget): string {
    const nonce = this.#nonces.get(new URL(url).origin);
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: url.replace(/[?#].*$/s, ''),
      iat: Math.floor(Date.now() / 1000),
      ...(accessToken !== undefined && { ath: hash('sha256', accessToken, 'base64url') }),
      ...(nonce !== undefined && { nonce }),
    };
    const header = { typ: 'dpop+jwt', alg: this.#algorithm, jwk: this.#publicJwk };
    const input = `${encode(header)}.${encode(claims)}`;
    return `${input}.${this.#sign(input)}`;
  }

  #sign(input: string): string {
    const key = (this.#key ??= privateKey(this.#pem));
    const options = {
      key,
      dsaEncoding: 'ieee-p1363' as const,
      ...(this.#algorithm === 'PS256' && {
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      }),
    };
    return sign('sha256', Buffer.from(input), options).toString('base64url');
  }

  /** Whether the answer has a nonce other than the one that was sent. */
  #takeNonce({ url }: ProofTarget, { headers }: HttpAnswer): boolean {
    const nonce = headers.get('dpop-nonce');
    if (nonce === undefined || nonce === '' || nonce.length > NONCE_CHARS_MAX) return false;
    const { origin } = new URL(url);
    if (this.#nonces.get(origin) === nonce) return false;
    if (this.#nonces.size >= NONCES_MAX) this.#nonces.clear();
    this.#nonces.set(origin, nonce);
    return true;
  }
}

/** 400 of a token endpoint, 401 of what takes tokens. */
function asksForNonce({ status, headers, body }: HttpAnswer): boolean {
  if (status === 401) return headers.getAll('www-authenticate').some(hasNonceCode);
  return status === 400 && hasNonceCode(body.subarray(0, 4096).toString());
}

function hasNonceCode(text: string): boolean {
  return text.includes('use_dpop_nonce');
}

function privateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new OpenidError('dpop.private_key is not a valid key', { cause });
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
