import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { HeaderList } from '@polygate/plugin-sdk';
import { mountPlugin, validConf, type MountedPlugin } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseJsonWebToken } from '../json-web-token.ts';
import { Browser } from './browser.harness.ts';
import { DpopProofs } from './dpop.ts';
import plugin from './openid-connect.ts';
import { BOUND_CLIENT, CLIENT, REDIRECT, startOpenidProvider } from './openid-provider.harness.ts';
import type { TestProvider } from './openid-provider.harness.ts';

let provider: TestProvider;
beforeAll(async () => {
  provider = await startOpenidProvider();
});
afterAll(() => provider.close());

const mounted: MountedPlugin[] = [];
afterEach(() => {
  provider.requireNonces(false);
  for (const one of mounted.splice(0)) one.dispose();
});

function mount(raw: object): MountedPlugin {
  const conf = validConf(plugin.definition, {
    client_id: BOUND_CLIENT,
    client_secret: CLIENT.secret,
    discovery: `${provider.issuer}/.well-known/openid-configuration`,
    redirect_uri: REDIRECT,
    session: { secret: 'jwcE5v3pM9VhqLxmxFOH9uZaLo8u7KQK' },
    ...raw,
  });
  const made = mountPlugin(plugin, conf);
  mounted.push(made);
  return made;
}

interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const dpop = (alg: string, { privateKey, publicKey }: Pair) => ({
  enabled: true,
  signing_alg: alg,
  private_key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  public_jwk: { ...publicKey.export({ format: 'jwk' }), kid: 'not sent' },
});
const parsed = (proof: string) => {
  const token = parseJsonWebToken(proof);
  if (typeof token === 'string') throw new Error(token);
  return token;
};

describe('openid-connect with DPoP', () => {
  test.each([
    ['ES256', ec],
    ['RS256', rsa],
    ['PS256', rsa],
  ])('gets tokens and user info with proofs signed by %s', async (alg, pair) => {
    const before = provider.proofs.length;
    const browser = new Browser(provider, mount({ dpop: dpop(alg, pair) }));
    await browser.logIn('/page');
    const page = await browser.get('/page');
    expect(page.status).toBe(200);
    const token = page.upstreamRequest?.headers.get('x-access-token') ?? '';
    // the provider gives the user only to a proof of the key that the token is bound to
    expect(page.upstreamRequest?.headers.has('x-userinfo')).toBe(true);
    const [atToken, atUser] = provider.proofs.slice(before);
    expect([atToken?.path, atUser?.path]).toEqual(['/token', '/me']);
    const first = parsed(atToken?.proof ?? '');
    expect(first.header).toMatchObject({ typ: 'dpop+jwt', alg });
    const jwk = first.header['jwk'] as object;
    const { kty, ...others } = pair.publicKey.export({ format: 'jwk' });
    expect(jwk).toEqual({ kty, ...others });
    expect(first.payload).toMatchObject({ htm: 'POST', htu: `${provider.issuer}/token` });
    expect(first.payload).not.toHaveProperty('ath');
    const second = parsed(atUser?.proof ?? '').payload;
    const ath = createHash('sha256').update(token).digest('base64url');
    expect(second).toMatchObject({ htm: 'GET', htu: `${provider.issuer}/me`, ath });
    expect(second['jti']).not.toBe(first.payload['jti']);
  });

  test('cannot get tokens of such a client without it', async () => {
    const browser = new Browser(provider, mount({}));
    const back = await browser.logIn('/page');
    expect(back.status).toBe(500);
    expect(back.log[0]).toContain('error=invalid_grant');
  });

  test('sends none while the key is only staged', async () => {
    const before = provider.proofs.length;
    const staged = { ...dpop('ES256', ec), enabled: false };
    const browser = new Browser(provider, mount({ client_id: CLIENT.id, dpop: staged }));
    await browser.logIn('/page');
    expect((await browser.get('/page')).status).toBe(200);
    expect(provider.proofs.length).toBe(before);
  });

  test('names its key when a login begins, so that the code is of use to nobody else', async () => {
    const run = await mount({ dpop: dpop('ES256', ec) }).request();
    const jkt = new URL(run.headers.get('location') ?? '').searchParams.get('dpop_jkt');
    const { crv, kty, x, y } = ec.publicKey.export({ format: 'jwk' });
    const members = JSON.stringify({ crv, kty, x, y });
    expect(jkt).toBe(createHash('sha256').update(members).digest('base64url'));
    const other = new Browser(provider, mount({ dpop: dpop('ES256', ec) }));
    const start = await other.get('/page');
    const location = (start.headers.get('location') ?? '').replace(jkt ?? '-', 'x'.repeat(43));
    const back = await provider.follow(location);
    const refused = await other.get(`${back.pathname}${back.search}`);
    expect(refused.status).toBe(500);
  });

  test('works with parameters that are pushed ahead', async () => {
    const more = { par: { enabled: true }, dpop: dpop('ES256', ec) };
    const browser = new Browser(provider, mount(more));
    await browser.logIn('/page');
    expect((await browser.get('/page')).status).toBe(200);
  });

  test('proves anew with the nonce that the provider asks for', async () => {
    provider.requireNonces(true);
    const before = provider.proofs.length;
    const browser = new Browser(provider, mount({ dpop: dpop('ES256', ec) }));
    await browser.logIn('/page');
    expect((await browser.get('/page')).upstreamRequest?.headers.has('x-userinfo')).toBe(true);
    const sent = provider.proofs.slice(before);
    // of one origin a nonce is known already when the user info is asked for
    expect(sent.map(({ path }) => path)).toEqual(['/token', '/token', '/me']);
    const payloads = sent.map(({ proof }) => parsed(proof).payload);
    expect(payloads.map((payload) => typeof payload['nonce'])).toEqual([
      'undefined',
      'string',
      'string',
    ]);
    expect(new Set(payloads.map((payload) => payload['jti'])).size).toBe(3);
  });

  test('renews access tokens with proofs', async () => {
    const more = { scope: 'openid offline_access', access_token_expires_leeway: 36_000 };
    const browser = new Browser(provider, mount({ ...more, dpop: dpop('ES256', ec) }));
    await browser.logIn('/page');
    const before = provider.proofs.length;
    const page = await browser.get('/page');
    expect(page.log).toEqual([]);
    expect(page.status).toBe(200);
    expect(provider.proofs.slice(before).map(({ path }) => path)).toEqual(['/token']);
  });
});

describe('a proof', () => {
  const target = { method: 'POST', url: 'https://a.test/token?x=1#y' } as const;
  const answer = { status: 200, body: Buffer.alloc(0) };

  test('is of the address without its query', async () => {
    const proofs = new DpopProofs(dpop('ES256', ec));
    let htu: unknown;
    await proofs.call({ ...target, metadata: {} }, (proof) => {
      htu = parsed(proof).payload['htu'];
      return Promise.resolve({ ...answer, headers: new HeaderList() });
    });
    expect(htu).toBe('https://a.test/token');
  });

  test('is not made with an algorithm that the provider does not list', async () => {
    const proofs = new DpopProofs(dpop('ES256', ec));
    const metadata = { dpop_signing_alg_values_supported: ['PS256'] };
    const call = proofs.call({ ...target, metadata }, () => Promise.reject(new Error('sent')));
    await expect(call).rejects.toThrow('dpop.signing_alg ES256 is not one that the provider takes');
  });
});
