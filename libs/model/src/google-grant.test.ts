import { generateKeyPairSync, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import { GOOGLE_TOKEN_URI, googleGrant, readGoogleToken } from './google-grant.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const account = {
  client_email: 'me@test',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
};

function claimsOf(form: string): Record<string, unknown> {
  const assertion = new URLSearchParams(form).get('assertion') ?? '';
  const [header = '', claims = '', signature = ''] = assertion.split('.');
  const signed = Buffer.from(`${header}.${claims}`);
  expect(verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  return JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
}

test('an account asks with a signed assertion that is good for an hour', () => {
  const form = googleGrant(account);
  expect(new URLSearchParams(form).get('grant_type')).toMatch(/:jwt-bearer$/);
  const claims = claimsOf(form);
  expect(claims).toMatchObject({
    iss: 'me@test',
    aud: GOOGLE_TOKEN_URI,
    scope: 'https://www.googleapis.com/auth/cloud-platform',
  });
  expect(Number(claims['exp']) - Number(claims['iat'])).toBe(3600);
});

test('the audience is where the token is asked for, scopes are one text', () => {
  const form = googleGrant({ ...account, token_uri: 'http://t/', scope: ['a', 'b'] });
  expect(claimsOf(form)).toMatchObject({ aud: 'http://t/', scope: 'a b' });
});

test('an answer has a token, or there is none', () => {
  const answer = { access_token: 't', token_type: 'Kind', expires_in: 60 };
  expect(readGoogleToken(JSON.stringify(answer))).toEqual({
    authorization: 'Kind t',
    lifeSeconds: 60,
  });
  expect(readGoogleToken('{"access_token":"t"}')).toEqual({
    authorization: 'Bearer t',
    lifeSeconds: 0,
  });
  for (const none of ['', 'null', '[]', '{}', '{"access_token":1}']) {
    expect(readGoogleToken(none)).toBeUndefined();
  }
});
