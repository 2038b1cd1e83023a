import { createHmac, generateKeyPairSync } from 'node:crypto';
import { validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { parseJsonWebToken, type JsonWebToken } from '../json-web-token.ts';
import { signatureVerifier } from '../jwt-signature.ts';
import { clientForm } from './client-auth.ts';
import { definition } from './openid-connect.schema.ts';

const conf = (raw: object = {}) =>
  validConf(definition, {
    client_id: 'my client',
    client_secret: 'a+b:c',
    discovery: 'https://a.test/',
    bearer_only: true,
    ...raw,
  });
const URL_OF_TOKENS = 'https://a.test/token';
const form = (method: string, raw: object = {}) =>
  clientForm(conf(raw), { url: URL_OF_TOKENS, method }, { token: 't', absent: undefined });
const assertionIn = (fields: URLSearchParams): JsonWebToken => {
  const token = parseJsonWebToken(fields.get('client_assertion') ?? '');
  if (typeof token === 'string') throw new Error(token);
  return token;
};

describe('a client says who it is', () => {
  test('in the Authorization header', () => {
    const { headers, fields } = form('client_secret_basic');
    const encoded = Buffer.from('my%20client:a%2Bb%3Ac').toString('base64');
    expect(headers.get('authorization')).toBe(`Basic ${encoded}`);
    expect(Object.fromEntries(fields)).toEqual({ token: 't' });
  });

  test('in the form, when it has no secret or is told to', () => {
    const { headers, fields } = form('client_secret_post');
    expect(headers.size).toBe(0);
    const both = { token: 't', client_id: 'my client', client_secret: 'a+b:c' };
    expect(Object.fromEntries(fields)).toEqual(both);
    const open = form('client_secret_basic', { client_secret: undefined, use_jwks: true });
    expect(open.headers.size).toBe(0);
    expect(open.fields.get('client_id')).toBe('my client');
  });

  test.each([
    [undefined, 'RS256', 'rsa'],
    ['RS512', 'RS512', 'rsa'],
    ['ES256', 'ES256', 'P-256'],
    ['ES512', 'ES512', 'P-521'],
  ])('with a token signed by its key: %s', (chosen, alg, kind) => {
    const { publicKey, privateKey } =
      kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind });
    const { fields } = form('private_key_jwt', {
      client_rsa_private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_rsa_private_key_id: 'one',
      client_jwt_assertion_alg: chosen,
    });
    const token = assertionIn(fields);
    expect(token.header).toEqual({ typ: 'JWT', alg, kid: 'one' });
    expect(signatureVerifier(alg, publicKey)(token)).toBe(true);
    expect(token.payload).toMatchObject({ iss: 'my client', sub: 'my client', aud: URL_OF_TOKENS });
    const { exp, iat } = token.payload as { exp: number; iat: number };
    expect(exp - iat).toBe(60);
    expect(fields.has('client_secret')).toBe(false);
  });

  test('with a token signed by its secret', () => {
    const audience = { client_jwt_assertion_audience: 'https://a.test' };
    const token = assertionIn(form('client_secret_jwt', audience).fields);
    const mac = createHmac('sha256', 'a+b:c').update(token.signingInput).digest('base64url');
    expect(token.signature).toBe(mac);
    expect(token.payload['aud']).toBe('https://a.test');
    expect(assertionIn(form('client_secret_jwt').fields).payload['jti']).not.toBe(
      token.payload['jti'],
    );
  });

  test('not at all with a key that is none', () => {
    const raw = { client_rsa_private_key: 'x' };
    expect(() => form('private_key_jwt', raw)).toThrow('client_rsa_private_key is not a valid key');
  });
});
