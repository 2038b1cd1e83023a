import { createHmac } from 'node:crypto';
import { validConf } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OpenidConnectConf } from './conf.ts';
import { definition } from './openid-connect.schema.ts';
import { CLIENT, startOpenidProvider, type TestProvider } from './openid-provider.harness.ts';
import { Provider, type Json } from './provider.ts';
import { verifyIdToken } from './verify-token.ts';

let issuer: TestProvider;
beforeAll(async () => {
  issuer = await startOpenidProvider();
});
afterAll(() => issuer.close());

const providers: Provider[] = [];
afterEach(() => {
  for (const one of providers.splice(0)) one.close();
});

const conf = (raw: object = {}): OpenidConnectConf =>
  validConf(definition, {
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
    discovery: `${issuer.issuer}/.well-known/openid-configuration`,
    session: { secret: 'jwcE5v3pM9VhqLxmxFOH9uZaLo8u7KQK' },
    ...raw,
  });

function verify(encoded: string, raw: object = {}, metadata: object = {}): Promise<Json> {
  const known = conf(raw);
  const provider = new Provider(known);
  providers.push(provider);
  const document = { issuer: issuer.issuer, ...metadata };
  return verifyIdToken(encoded, known, { provider, metadata: document, nonce: undefined });
}

const nowSeconds = () => Math.floor(Date.now() / 1000);
const claims = (more: object = {}) => ({
  ...{ iss: issuer.issuer, sub: 'jack', aud: CLIENT.id },
  ...{ iat: nowSeconds(), exp: nowSeconds() + 60 },
  ...more,
});
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const unsigned = (more: object = {}) => `${encode({ alg: 'none' })}.${encode(claims(more))}.`;
function signedWith(secret: string): string {
  const input = `${encode({ alg: 'HS256' })}.${encode(claims())}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

describe('an ID token', () => {
  test('of the provider for this client is good', async () => {
    expect(await verify(issuer.signToken(claims()))).toMatchObject({ sub: 'jack' });
    expect(await verify(issuer.signToken(claims({ aud: ['x', CLIENT.id] })))).toBeTruthy();
  });

  test.each([
    [{ iat: undefined }, 'id_token has no iat'],
    [{ iat: 32_503_680_000 }, 'id_token not yet valid'],
    [{ exp: undefined }, 'id_token has no exp'],
    [{ exp: 1 }, "'exp' claim expired"],
    [{ sub: undefined }, 'id_token has no sub'],
    [{ aud: 'another' }, 'audience of id_token does not match'],
    [{ aud: ['another'] }, 'audience of id_token does not match'],
    [{ iss: 'http://evil.test' }, 'issuer of id_token does not match'],
    [{ azp: 'another' }, 'authorized party of id_token does not match'],
  ])('with %j is refused', async (more, reason) => {
    await expect(verify(issuer.signToken(claims(more)))).rejects.toThrow(reason);
  });

  test('may be of a clock that is ahead by as much as iat_slack says', async () => {
    const ahead = issuer.signToken(claims({ iat: nowSeconds() + 90 }));
    expect(await verify(ahead)).toBeTruthy();
    await expect(verify(ahead, { iat_slack: 30 })).rejects.toThrow('id_token not yet valid');
  });

  test('is signed by an algorithm that the provider says it uses', async () => {
    const token = issuer.signToken(claims());
    const listed = (algorithms: unknown) => ({ id_token_signing_alg_values_supported: algorithms });
    expect(await verify(token, {}, listed(['ES256', 'RS256']))).toBeTruthy();
    await expect(verify(token, {}, listed(['ES256']))).rejects.toThrow(
      'token is signed by unexpected algorithm "RS256"',
    );
    // whoever has the secret of the client is not the provider yet
    const own = signedWith(CLIENT.secret);
    expect(await verify(own)).toBeTruthy();
    await expect(verify(own, {}, listed(['RS256']))).rejects.toThrow('unexpected algorithm');
    await expect(verify(signedWith('another'))).rejects.toThrow('verification failed');
  });

  test('without a signature is refused unless the conf says otherwise', async () => {
    await expect(verify(unsigned())).rejects.toThrow(
      'token uses "none" alg but accept_none_alg is not enabled',
    );
    expect(await verify(unsigned(), { accept_none_alg: true })).toMatchObject({ sub: 'jack' });
    const other = verify(unsigned({ aud: 'another' }), { accept_none_alg: true });
    await expect(other).rejects.toThrow('audience of id_token does not match');
  });

  test('of an unknown algorithm counts as the conf says', async () => {
    const token = issuer.signToken(claims(), { alg: 'XX256', kid: 'one' });
    expect(await verify(token)).toMatchObject({ sub: 'jack' });
    await expect(verify(token, { accept_unsupported_alg: false })).rejects.toThrow(
      'unsupported algorithm "XX256"',
    );
  });
});
