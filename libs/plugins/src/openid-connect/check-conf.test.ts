import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { definition } from './openid-connect.schema.ts';

const MINIMAL = {
  client_id: 'a',
  client_secret: 'b',
  discovery: 'https://a.test/',
  session: { secret: 'jwcE5v3pM9VhqLxmxFOH9uZaLo8u7KQK' },
};
const conf = (raw: object) => validConf(definition, { ...MINIMAL, ...raw });

const pem = (key: KeyObject): string =>
  String(key.export({ type: key.type === 'public' ? 'spki' : 'pkcs8', format: 'pem' }));
const curve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const p256 = curve('P-256');
const p384 = curve('P-384');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = (key: KeyObject) => key.export({ format: 'jwk' });
const EC_JWK = jwk(p256.publicKey);

describe('a conf of openid-connect', () => {
  test.each([
    [{ client_id: undefined }, 'property "client_id" is required'],
    [{ client_id: 123 }, 'property "client_id" validation failed: wrong type'],
    [{ session: undefined }, 'property "session.secret" is required when "bearer_only" is false'],
    [
      { session: undefined, client_id: undefined },
      'property "session.secret" is required when "bearer_only" is false',
    ],
    [{ client_secret: undefined, discovery: undefined }, 'property "client_secret" is required'],
    [{ bearer_only: true, discovery: undefined }, 'property "discovery" is required'],
    [{ session: { secret: 'short' } }, 'property "session" validation failed'],
    [{ session: { ...MINIMAL.session, odd: 1 } }, 'additional properties forbidden'],
    [{ use_dpop: true }, 'property "use_dpop" is not allowed, use "dpop.enabled" instead'],
    [
      { claim_schema: { type: 'object', properties: { user: { type: 'invalid_type' } } } },
      'check claim_schema failed: schema: invalid JSON type: invalid_type',
    ],
  ])('is refused with %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });

  test.each([
    { bearer_only: true, public_key: 'x' },
    { bearer_only: true, use_jwks: true },
    { bearer_only: true, introspection_endpoint_auth_method: 'private_key_jwt' },
    { token_endpoint_auth_method: 'private_key_jwt' },
    { use_pkce: true },
  ])('needs no client_secret with %j', (raw) => {
    expect(() => conf({ ...raw, client_secret: undefined })).not.toThrow();
  });

  test.each([
    {},
    { bearer_only: true },
    { bearer_only: true, token_endpoint_auth_method: 'private_key_jwt' },
    { introspection_endpoint_auth_method: 'private_key_jwt' },
  ])('needs a client_secret with %j', (raw) => {
    expect(() => conf({ ...raw, client_secret: undefined })).toThrow(
      'property "client_secret" is required',
    );
  });

  const dpop = (more: object) => ({
    dpop: { enabled: true, private_key: pem(p256.privateKey), public_jwk: EC_JWK, ...more },
  });

  test.each([
    [{ private_key: undefined, public_jwk: undefined }, 'then clause did not match'],
    [{ public_jwk: { ...EC_JWK, d: 'x' } }, 'property "public_jwk" validation failed'],
    [{ public_jwk: { kty: 'OKP' } }, 'kty "OKP" is not supported'],
    [{ public_jwk: { kty: 'RSA' } }, 'kty "RSA" requires e, n'],
    [{ public_jwk: { ...EC_JWK, x: '' } }, '"x" must be a non-empty string'],
    [
      { public_jwk: jwk(p384.publicKey) },
      'property "dpop.signing_alg" "ES256" requires "dpop.public_jwk" crv "P-256", got "P-384"',
    ],
    [
      { signing_alg: 'RS256' },
      'property "dpop.signing_alg" "RS256" requires an RSA "dpop.public_jwk"',
    ],
    [{ private_key: 'x' }, 'property "dpop.private_key" is not a valid key'],
    [{ private_key: pem(p256.publicKey) }, 'property "dpop.private_key" has no private key in it'],
    [
      { private_key: pem(rsa.privateKey) },
      'property "dpop.public_jwk" is not the public key of "dpop.private_key": kty is "RSA"',
    ],
    [
      { private_key: pem(curve('P-256').privateKey) },
      'property "dpop.public_jwk" is not the public key of "dpop.private_key": x is',
    ],
  ])('is refused with the DPoP keys %#', (more, message) => {
    expect(() => conf(dpop(more))).toThrow(message);
    if (!message.includes('clause') && !message.includes('"public_jwk"')) {
      expect(() => conf(dpop({ ...more, enabled: false }))).not.toThrow();
    }
  });

  test.each([
    [
      { client_jwt_assertion_alg: 'HS256', token_endpoint_auth_method: 'private_key_jwt' },
      'is symmetric and cannot be used with the private_key_jwt selected by',
    ],
    [
      { client_jwt_assertion_alg: 'RS256', token_endpoint_auth_method: 'client_secret_jwt' },
      'is asymmetric and cannot be used with the client_secret_jwt selected by',
    ],
    [
      { client_jwt_assertion_alg: 'ES256', token_endpoint_auth_method: 'private_key_jwt' },
      'property "client_jwt_assertion_alg" "ES256" requires an EC "client_rsa_private_key"',
    ],
    [
      {
        client_jwt_assertion_alg: 'ES512',
        token_endpoint_auth_method: 'private_key_jwt',
        client_rsa_private_key: pem(p256.privateKey),
      },
      'requires a "client_rsa_private_key" on curve "P-521", got "P-256"',
    ],
    [
      {
        client_rsa_private_key: undefined,
        par: { enabled: true, endpoint_auth_method: 'private_key_jwt' },
      },
      'property "par.endpoint_auth_method" "private_key_jwt" requires "client_rsa_private_key"',
    ],
  ])('is refused with the client authentication %#', (raw, message) => {
    expect(() => conf({ client_rsa_private_key: pem(rsa.privateKey), ...raw })).toThrow(message);
  });
});
