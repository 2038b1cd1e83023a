import { createSecretKey } from 'node:crypto';
import { claimOf, parseJsonWebToken, type JsonWebToken } from '../json-web-token.ts';
import type { SignatureVerifier } from '../jwt-signature.ts';
import type { OpenidConnectConf } from './conf.ts';
import { OpenidError, verifierOf, type Json, type Provider } from './provider.ts';

const ASYMMETRIC = /^(?:RS|PS|ES)(?:256|384|512)$|^EdDSA$/;
const SYMMETRIC = /^HS(?:256|384|512)$/;
const NOT_VERIFIED = 'jwt signature verification failed';

/** Finds the verifiers of a public key that the conf has, or of the provider's key set. */
export type FindVerifiers = (
  token: JsonWebToken,
  algorithm: string,
) => Promise<readonly SignatureVerifier[]> | readonly SignatureVerifier[];

/**
 * The claims of an access token that is a JWT. Only algorithms with a public key: what a client could
 * sign itself proves nothing. Rejects with an OpenidError in the words of lua-resty-openidc.
 */
export async function verifyAccessToken(
  encoded: string,
  conf: OpenidConnectConf,
  rules: { readonly find: FindVerifiers; readonly issuers: readonly unknown[] },
): Promise<Json> {
  const token = parse(encoded);
  const algorithm = algorithmOf(token);
  const expected = conf.token_signing_alg_values_expected;
  if (!ASYMMETRIC.test(algorithm) || (expected !== undefined && expected !== algorithm)) {
    throw new OpenidError(`token is signed by unexpected algorithm "${printable(algorithm)}"`);
  }
  const verifiers = await rules.find(token, algorithm);
  if (!verifiers.some((verify) => verify(token))) throw new OpenidError(NOT_VERIFIED);
  checkTimes(token.payload, conf.iat_slack);
  const { issuers } = rules;
  const issuer = claimOf(token.payload, 'iss');
  if (issuers.length > 0 && (typeof issuer !== 'string' || !issuers.includes(issuer))) {
    const shown = printable(String(issuer));
    throw new OpenidError(`${NOT_VERIFIED}: Claim 'iss' ('${shown}') returned failure`);
  }
  return token.payload;
}

export interface IdTokenRules {
  readonly provider: Provider;
  /** The discovery document. */
  readonly metadata: Json;
  /** Undefined: none was sent. */
  readonly nonce: string | undefined;
}

/** The claims of an ID token that came from the token endpoint. OpenID Connect Core, 3.1.3.7. */
export async function verifyIdToken(
  encoded: string,
  conf: OpenidConnectConf,
  { provider, metadata, nonce }: IdTokenRules,
): Promise<Json> {
  const token = parse(encoded);
  const algorithm = algorithmOf(token);
  if (algorithm === 'none') {
    if (!conf.accept_none_alg) {
      throw new OpenidError('token uses "none" alg but accept_none_alg is not enabled');
    }
  } else if (!isListed(metadata['id_token_signing_alg_values_supported'], algorithm)) {
    throw new OpenidError(`token is signed by unexpected algorithm "${printable(algorithm)}"`);
  } else if (ASYMMETRIC.test(algorithm) || SYMMETRIC.test(algorithm)) {
    const verifiers = SYMMETRIC.test(algorithm)
      ? secretVerifiers(conf, algorithm)
      : await provider.verifiers(token.header['kid'], algorithm);
    if (!verifiers.some((verify) => verify(token))) throw new OpenidError(NOT_VERIFIED);
  } else if (!conf.accept_unsupported_alg) {
    throw new OpenidError(`unsupported algorithm "${printable(algorithm)}" of id_token`);
  }
  const claims = token.payload;
  const { client_id: clientId } = conf;
  if (claimOf(claims, 'iss') !== metadata['issuer'])
    throw new OpenidError('issuer of id_token does not match');
  if (typeof claimOf(claims, 'sub') !== 'string') throw new OpenidError('id_token has no sub');
  const audience = claimOf(claims, 'aud');
  const audiences: readonly unknown[] = Array.isArray(audience) ? audience : [audience];
  if (!audiences.includes(clientId)) throw new OpenidError('audience of id_token does not match');
  const party = claimOf(claims, 'azp');
  if (party !== undefined && party !== clientId) {
    throw new OpenidError('authorized party of id_token does not match');
  }
  if (typeof claimOf(claims, 'exp') !== 'number') throw new OpenidError('id_token has no exp');
  const issued = claimOf(claims, 'iat');
  if (typeof issued !== 'number') throw new OpenidError('id_token has no iat');
  if (issued > Date.now() / 1000 + conf.iat_slack) throw new OpenidError('id_token not yet valid');
  checkTimes(claims, conf.iat_slack);
  if (nonce !== undefined && claimOf(claims, 'nonce') !== nonce) {
    throw new OpenidError('nonce of id_token does not match');
  }
  return claims;
}

function parse(encoded: string): JsonWebToken {
  const token = parseJsonWebToken(encoded);
  if (typeof token === 'string') throw new OpenidError(`invalid jwt: ${printable(token)}`);
  return token;
}

/** Also when the provider does not say which it uses. */
function isListed(list: unknown, algorithm: string): boolean {
  return !Array.isArray(list) || list.includes(algorithm);
}

function algorithmOf(token: JsonWebToken): string {
  const algorithm = claimOf(token.header, 'alg');
  return typeof algorithm === 'string' ? algorithm : '';
}

function secretVerifiers(
  { client_secret: secret }: OpenidConnectConf,
  algorithm: string,
): readonly SignatureVerifier[] {
  if (secret === undefined || secret === '') return [];
  const verifier = verifierOf(createSecretKey(secret, 'utf8'), algorithm);
  return verifier === undefined ? [] : [verifier];
}

function checkTimes(claims: Json, slackSeconds: number): void {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const expires = claimOf(claims, 'exp');
  const begins = claimOf(claims, 'nbf');
  if (
    expires !== undefined &&
    !(typeof expires === 'number' && expires + slackSeconds > nowSeconds)
  ) {
    throw new OpenidError(`${NOT_VERIFIED}: 'exp' claim expired at ${timeText(expires)}`);
  }
  if (
    begins !== undefined &&
    !(typeof begins === 'number' && begins - slackSeconds <= nowSeconds)
  ) {
    throw new OpenidError(`${NOT_VERIFIED}: 'nbf' claim not valid until ${timeText(begins)}`);
  }
}

function timeText(seconds: unknown): string {
  return new Date(Number(seconds) * 1000).toUTCString();
}

/** It goes into a quoted string of a header. */
function printable(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
}
