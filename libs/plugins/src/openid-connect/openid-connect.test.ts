import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PluginRun, PluginRequest } from '@polygate/testing';
import { mountPlugin, validConf, type MountedPlugin } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Browser } from './browser.harness.ts';
import plugin from './openid-connect.ts';
import { CLIENT, REDIRECT, SIGNED_CLIENT, startOpenidProvider } from './openid-provider.harness.ts';
import type { TestProvider } from './openid-provider.harness.ts';

let provider: TestProvider;
beforeAll(async () => {
  provider = await startOpenidProvider();
});
afterAll(() => provider.close());

const mounted: MountedPlugin[] = [];
afterEach(() => {
  for (const one of mounted.splice(0)) one.dispose();
});

const SESSION = { secret: 'jwcE5v3pM9VhqLxmxFOH9uZaLo8u7KQK' };

function mount(raw: object): MountedPlugin {
  const conf = validConf(plugin.definition, {
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
    discovery: `${provider.issuer}/.well-known/openid-configuration`,
    redirect_uri: REDIRECT,
    ...raw,
  });
  const made = mountPlugin(plugin, conf);
  mounted.push(made);
  return made;
}

const bearer = (token: string): PluginRequest => ({
  headers: { Authorization: `Bearer ${token}` },
});
const nowSeconds = () => Math.floor(Date.now() / 1000);
const claims = (more: object = {}) => ({
  iss: provider.issuer,
  sub: 'jack',
  exp: nowSeconds() + 60,
  ...more,
});
const decoded = (run: PluginRun, header: string): unknown =>
  JSON.parse(Buffer.from(run.upstreamRequest?.headers.get(header) ?? '', 'base64').toString());

describe('openid-connect with bearer tokens verified by the keys of the provider', () => {
  const local = { bearer_only: true, use_jwks: true };

  test('tells the upstream of the token, and nothing that the client says of itself', async () => {
    const token = provider.signToken(claims());
    const request = bearer(token);
    const headers = { ...request.headers, 'X-ID-Token': 'mine', 'X-Access-Token': 'mine' };
    const run = await mount(local).request({ headers });
    expect(run.upstreamRequest?.headers.get('x-access-token')).toBe(token);
    expect(decoded(run, 'x-userinfo')).toMatchObject({ sub: 'jack' });
    expect(run.upstreamRequest?.headers.has('x-id-token')).toBe(false);
  });

  test('takes the token out of X-Access-Token, too', async () => {
    const token = provider.signToken(claims());
    const run = await mount({ ...local, access_token_in_authorization_header: true }).request({
      headers: { 'X-Access-Token': token },
    });
    expect(run.upstreamRequest?.headers.get('authorization')).toBe(`Bearer ${token}`);
    expect(run.upstreamRequest?.headers.has('x-access-token')).toBe(false);
  });

  test('asks for a token when there is none, and for two words when there is one', async () => {
    const none = await mount({ ...local, realm: 'zone' }).request();
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toBe('Bearer realm="zone"');
    const odd = await mount(local).request({ headers: { Authorization: 'foo' } });
    expect(odd.status).toBe(400);
    expect(odd.log[0]).toContain('Invalid Authorization header format.');
  });

  test.each([
    ['foo', 'invalid jwt: invalid jwt string'],
    ['"a".b.c', 'invalid jwt: invalid header: ?a?'],
  ])('refuses %s', async (token, reason) => {
    const run = await mount(local).request(bearer(token));
    expect(run.status).toBe(401);
    expect(run.headers.get('www-authenticate')).toBe(
      `Bearer realm="apisix", error="invalid_token", error_description="${reason}"`,
    );
  });

  test.each([
    [{ exp: 1 }, "'exp' claim expired at Thu, 01 Jan 1970 00:00:01 GMT"],
    [{ exp: 'never' }, "'exp' claim expired"],
    [{ nbf: 32_503_680_000 }, "'nbf' claim not valid until"],
    [{ iss: 'http://evil.test' }, "Claim 'iss' ('http://evil.test') returned failure"],
    [{ iss: undefined }, "Claim 'iss' ('undefined') returned failure"],
  ])('refuses a token with %j', async (more, reason) => {
    const run = await mount(local).request(bearer(provider.signToken(claims(more))));
    expect(run.status).toBe(401);
    expect(run.log[0]).toContain(`jwt signature verification failed: ${reason}`);
  });

  test.each([
    [{ alg: 'none' }, 'unexpected algorithm'],
    [{ alg: 'HS256', kid: 'one' }, 'unexpected algorithm'],
    [{ alg: 'RS256', kid: 'two' }, 'jwt signature verification failed'],
    [{ alg: 'RS512', kid: 'one' }, 'jwt signature verification failed'],
    [{ alg: 'ES256', kid: 'one' }, 'jwt signature verification failed'],
  ])('refuses a token that says %j', async (header, reason) => {
    const run = await mount(local).request(bearer(provider.signToken(claims(), header)));
    expect(run.log[0]).toContain(reason);
  });

  test('does not fetch the keys for each key id that is not there', async () => {
    const one = mount(local);
    const fetched = () => provider.seen.filter((path) => path === '/jwks').length;
    const before = fetched();
    for (let i = 0; i < 5; i++) {
      await one.request(bearer(provider.signToken(claims(), { alg: 'RS256', kid: `k${i}` })));
    }
    expect(fetched()).toBe(before + 1);
  });

  test('lets nothing pass while the issuer is not known', async () => {
    const run = await mount({ ...local, discovery: 'http://127.0.0.1:1/' }).request(
      bearer(provider.signToken(claims())),
    );
    expect(run.headers.get('www-authenticate')).toBe(
      'Bearer realm="apisix", error="invalid_token", ' +
        'error_description="issuer validation unavailable"',
    );
  });

  test.each([
    [{}, 403, 'required audience claim not present'],
    [{ aud: 'other' }, 403, 'mismatched audience'],
    [{ aud: ['other'] }, 403, 'mismatched audience'],
    [{ aud: CLIENT.id }, 200, undefined],
    [{ aud: ['other', CLIENT.id] }, 200, undefined],
  ])('compares the audience %j with its client id', async (more, status, error) => {
    const validator = { claim_validator: { audience: { match_with_client_id: true } } };
    const token = provider.signToken(claims(more));
    const run = await mount({ ...local, ...validator }).request(bearer(token));
    expect(run.status).toBe(status);
    if (error !== undefined) expect(run.text).toBe(JSON.stringify({ error }));
  });

  test('asks for scopes and for claims', async () => {
    const strict = { required_scopes: ['read', 'write'] };
    const token = provider.signToken(claims({ scope: 'read' }));
    const run = await mount({ ...local, ...strict }).request(bearer(token));
    expect(run.status).toBe(403);
    expect(run.text).toBe('{"error":"required scopes read, write not present"}');
    const schema = { claim_schema: { type: 'object', required: ['role'] } };
    const refused = await mount({ ...local, ...schema }).request(bearer(token));
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('property ?role? is required');
  });
});

describe('openid-connect with introspection', () => {
  const remote = { bearer_only: true };

  test('lets a token pass that the provider calls active, and asks once', async () => {
    const token = await provider.clientToken();
    const one = mount(remote);
    const asked = () => provider.seen.filter((path) => path === '/token/introspection').length;
    const before = asked();
    for (let i = 0; i < 2; i++) {
      const run = await one.request(bearer(token));
      expect(decoded(run, 'x-userinfo')).toMatchObject({ active: true, client_id: CLIENT.id });
    }
    expect(asked()).toBe(before + 1);
  });

  test('refuses a token that it does not, each time anew', async () => {
    const run = await mount(remote).request(bearer('foo'));
    expect(run.status).toBe(401);
    expect(run.log).toEqual(['error: OIDC introspection failed: invalid token']);
  });

  test('lets nothing pass when the provider refuses the client or cannot be asked', async () => {
    const token = await provider.clientToken();
    expect((await mount({ ...remote, client_secret: 'wrong' }).request(bearer(token))).status).toBe(
      401,
    );
    const nowhere = { ...remote, introspection_endpoint: 'http://127.0.0.1:1/' };
    const run = await mount(nowhere).request(bearer(token));
    expect(run.headers.get('www-authenticate')).toContain('token validation unavailable');
  });
});

describe('openid-connect with browsers', () => {
  const flow = { session: SESSION, set_refresh_token_header: true };

  test('sends them to the provider and, logged in, back to where they were', async () => {
    const browser = new Browser(provider, mount({ ...flow, use_pkce: true, use_nonce: true }));
    const back = await browser.logIn('/page?a=1');
    expect(back.status).toBe(302);
    expect(back.headers.get('location')).toBe('/page?a=1');
    const page = await browser.get('/page?a=1');
    expect(page.status).toBe(200);
    expect(decoded(page, 'x-id-token')).toMatchObject({ sub: 'jack', aud: CLIENT.id });
    expect(decoded(page, 'x-userinfo')).toMatchObject({ sub: 'jack', name: 'Jack' });
    expect(page.upstreamRequest?.headers.get('x-access-token')).toBeTruthy();
    expect(page.upstreamRequest?.headers.get('x-refresh-token')).toBeTruthy();
    expect(page.upstreamRequest?.headers.has('x-raw-id-token')).toBe(false);
  });

  test('asks with a state of its own, a challenge and the further parameters', async () => {
    const more = { use_pkce: true, use_nonce: true, authorization_params: { ui: 'dark' } };
    const run = await new Browser(provider, mount({ ...flow, ...more })).get('/page');
    const { searchParams } = new URL(run.headers.get('location') ?? '');
    expect(Object.fromEntries(searchParams)).toMatchObject({
      client_id: CLIENT.id,
      response_type: 'code',
      scope: 'openid',
      redirect_uri: REDIRECT,
      code_challenge_method: 'S256',
      ui: 'dark',
    });
    expect(searchParams.get('state')).toMatch(/^[0-9a-f]{32}$/);
    expect(searchParams.get('nonce')).toMatch(/^[0-9a-f]{32}$/);
    expect(searchParams.get('code_challenge')).toMatch(/^[\w-]{43}$/);
    expect(run.headers.get('set-cookie')).toMatch(/; Path=\/; SameSite=Lax; HttpOnly$/);
  });

  test('pushes its parameters ahead with par', async () => {
    const browser = new Browser(provider, mount({ ...flow, par: { enabled: true } }));
    const run = await browser.get('/page');
    const { searchParams } = new URL(run.headers.get('location') ?? '');
    expect([...searchParams.keys()]).toEqual(['client_id', 'request_uri']);
    const back = await provider.follow(run.headers.get('location') ?? '');
    expect((await browser.get(`${back.pathname}${back.search}`)).status).toBe(302);
    expect((await browser.get('/page')).status).toBe(200);
  });

  test('takes no session that was tampered with or is of another route', async () => {
    const browser = new Browser(provider, mount(flow));
    await browser.logIn('/page');
    const value = browser.cookies.get('session')!;
    const cut = value.slice(0, -3) + (value.endsWith('AAA') ? 'BBB' : 'AAA');
    browser.cookies.set('session', cut);
    expect((await browser.get('/page')).status).toBe(302);
    const elsewhere = new Browser(provider, mount({ ...flow, client_id: 'another' }));
    elsewhere.cookies.set('session', value);
    expect((await elsewhere.get('/page')).status).toBe(302);
    const otherSecret = new Browser(
      provider,
      mount({ session: { secret: 'another secret of us' } }),
    );
    otherSecret.cookies.set('session', value);
    expect((await otherSecret.get('/page')).status).toBe(302);
  });

  test('takes a code once only, and only in the browser that asked for it', async () => {
    const one = mount(flow);
    const browser = new Browser(provider, one);
    const start = await browser.get('/page');
    const back = await provider.follow(start.headers.get('location') ?? '');
    const target = `${back.pathname}${back.search}`;
    expect((await new Browser(provider, one).get(target)).status).toBe(500);
    const asked = () => provider.seen.filter((path) => path === '/token').length;
    const before = asked();
    expect((await browser.get(target)).headers.get('location')).toBe('/page');
    // whoever goes back to it in the history gets to the page again
    const again = await browser.get(target);
    expect(again.headers.get('location')).toBe('/page');
    expect(again.log[0]).toContain('state mismatch (replayed or pruned callback), restarting');
    expect(asked()).toBe(before + 1);
  });

  test('begins anew for a state that is not known, three times at most', async () => {
    const browser = new Browser(provider, mount(flow));
    await browser.get('/page?tab=A');
    const wrong = '/back?code=x&state=never-issued';
    expect((await browser.get(wrong, { method: 'POST' })).status).toBe(500);
    for (let i = 0; i < 3; i++) {
      expect((await browser.get(wrong)).headers.get('location')).toBe('/page?tab=A');
    }
    const last = await browser.get(wrong);
    expect(last.status).toBe(500);
    expect(last.log[0]).toContain('giving up after 3 restarts');
  });

  test('begins anew when the provider is out of order, but not when it refuses', async () => {
    const browser = new Browser(provider, mount(flow));
    const start = await browser.get('/page');
    const state = new URL(start.headers.get('location') ?? '').searchParams.get('state');
    const back = (error: string, of = state) => browser.get(`/back?error=${error}&state=${of}`);
    expect((await back('access_denied')).status).toBe(500);
    expect((await back('temporarily_unavailable', '__proto__')).status).toBe(500);
    expect((await back('temporarily_unavailable')).headers.get('location')).toBe('/page');
  });

  test('never sends a browser to another host', async () => {
    const browser = new Browser(provider, mount(flow));
    await browser.logIn('//evil.test/page').then((run) => {
      expect(run.headers.get('location')).toBe('/evil.test/page');
    });
  });

  test('renews an access token that has ended', async () => {
    const leeway = { ...flow, scope: 'openid offline_access', access_token_expires_leeway: 36_000 };
    const browser = new Browser(provider, mount(leeway));
    await browser.logIn('/page');
    const token = async () => {
      const run = await browser.get('/page');
      expect(run.log).toEqual([]);
      return run.upstreamRequest?.headers.get('x-access-token');
    };
    const first = await token();
    const second = await token();
    expect(second).toBeTruthy();
    expect(second).not.toBe(first);
  });

  test('ends the session on logout and goes on to the provider', async () => {
    const bye = {
      post_logout_redirect_uri: 'http://gateway.test/bye',
      revoke_tokens_on_logout: true,
    };
    const browser = new Browser(provider, mount({ ...flow, ...bye }));
    await browser.logIn('/page');
    const run = await browser.get('/logout');
    const url = new URL(run.headers.get('location') ?? '');
    expect(url.pathname).toBe('/session/end');
    expect(url.searchParams.get('post_logout_redirect_uri')).toBe('http://gateway.test/bye');
    expect(url.searchParams.get('id_token_hint')).toContain('.');
    expect(browser.cookies.size).toBe(0);
    expect(provider.seen).toContain('/token/revocation');
    expect((await browser.get('/page')).status).toBe(302);
  });

  test('denies or lets pass those without login when it is told so', async () => {
    const deny = await mount({ ...flow, unauth_action: 'deny' }).request();
    expect(deny.status).toBe(401);
    const pass = await mount({ ...flow, unauth_action: 'pass' }).request({
      headers: { 'X-Userinfo': 'mine' },
    });
    expect(pass.status).toBe(200);
    expect(pass.upstreamRequest?.headers.has('x-userinfo')).toBe(false);
  });

  test('makes its address out of the request without redirect_uri', async () => {
    const one = mount({ ...flow, redirect_uri: undefined });
    const address = async (headers: Record<string, string>) => {
      const run = await one.request({ target: '/hello', headers });
      return new URL(run.headers.get('location') ?? '').searchParams.get('redirect_uri');
    };
    const path = '/hello/.apisix/redirect';
    expect(await address({ Host: 'localhost:8888' })).toBe(`http://localhost:8888${path}`);
    const proxied = { Host: 'a.test', 'X-Forwarded-Host': 'b.test', 'X-Forwarded-Proto': 'https' };
    expect(await address(proxied)).toBe(`https://b.test${path}`);
    const forwarded = { ...proxied, Forwarded: 'for=1.2.3.4;host="c.test";proto=http' };
    expect(await address(forwarded)).toBe(`http://c.test${path}`);
  });

  test('answers 500 when the provider cannot be asked', async () => {
    const run = await mount({ ...flow, discovery: 'http://127.0.0.1:1/' }).request();
    expect(run.status).toBe(500);
    expect(run.log[0]).toContain('error: OIDC authentication failed: accessing discovery url');
  });

  test('goes on without an access token that has ended when it is not to renew it', async () => {
    const more = { renew_access_token_on_expiry: false, access_token_expires_leeway: 36_000 };
    const browser = new Browser(provider, mount({ ...flow, ...more }));
    await browser.logIn('/page');
    const page = await browser.get('/page');
    expect(page.status).toBe(200);
    expect(page.upstreamRequest?.headers.has('x-access-token')).toBe(false);
    expect(decoded(page, 'x-userinfo')).toMatchObject({ name: 'Jack' });
  });

  test('takes the ID token that came with a renewed access token', async () => {
    const more = { set_raw_id_token_header: true, access_token_expires_leeway: 36_000 };
    const browser = new Browser(provider, mount({ ...flow, ...more }));
    await browser.logIn('/page');
    const raw = async () =>
      (await browser.get('/page')).upstreamRequest?.headers.get('x-raw-id-token');
    const first = await raw();
    expect(first).toBeTruthy();
    // of the same second it is the same one
    await expect.poll(raw, { interval: 200, timeout: 10_000 }).not.toBe(first);
  });

  test('asks for a login when the token cannot be renewed', async () => {
    const leeway = { access_token_expires_leeway: 36_000 };
    const browser = new Browser(provider, mount({ ...flow, ...leeway, client_id: SIGNED_CLIENT }));
    await browser.logIn('/page');
    const other = new Browser(
      provider,
      mount({ ...flow, ...leeway, client_id: SIGNED_CLIENT, client_secret: 'wrong' }),
    );
    for (const [name, value] of browser.cookies) other.cookies.set(name, value);
    const run = await other.get('/page');
    expect(run.status).toBe(302);
    expect(run.log[0]).toContain('lost access token');
  });

  test('verifies ID tokens with the key of the conf when it has one', async () => {
    const own = new Browser(provider, mount({ ...flow, public_key: provider.publicKey }));
    expect((await own.logIn('/page')).status).toBe(302);
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = String(publicKey.export({ type: 'spki', format: 'pem' }));
    const other = await new Browser(provider, mount({ ...flow, public_key: pem })).logIn('/page');
    expect(other.status).toBe(500);
    expect(other.log[0]).toContain('jwt signature verification failed');
  });

  test('understands user info that is a JWT', async () => {
    const browser = new Browser(provider, mount({ ...flow, client_id: SIGNED_CLIENT }));
    await browser.logIn('/page');
    expect(decoded(await browser.get('/page'), 'x-userinfo')).toMatchObject({ name: 'Jack' });
  });

  test('keeps of a login what it is told to', async () => {
    const asked = () => provider.seen.filter((path) => path === '/me').length;
    const before = asked();
    const contents = { session_contents: { id_token: true }, access_token_expires_leeway: 36_000 };
    const browser = new Browser(provider, mount({ ...flow, ...contents }));
    await browser.logIn('/page');
    const page = await browser.get('/page');
    expect(page.status).toBe(200);
    expect(page.upstreamRequest?.headers.has('x-id-token')).toBe(true);
    const others = ['x-access-token', 'x-refresh-token', 'x-userinfo'];
    expect(others.filter((name) => page.upstreamRequest?.headers.has(name))).toEqual([]);
    expect(asked()).toBe(before);
    const strict = { ...contents, required_scopes: ['api'], set_raw_id_token_header: true };
    const checked = new Browser(provider, mount({ ...flow, ...strict }));
    await checked.logIn('/page');
    // an opaque token: which scopes it has is not known
    expect((await checked.get('/page')).status).toBe(403);
  });

  test('takes no answer that is meant for another client', async () => {
    const browser = new Browser(provider, mount(flow));
    const start = await browser.get('/page');
    const back = await provider.follow(start.headers.get('location') ?? '');
    const run = await browser.get(`${back.pathname}${back.search}&client_id=another`);
    expect(run.status).toBe(500);
    expect(run.log[0]).toContain('client_id from argument does not match expected client_id');
  });

  test('gives a browser that is logged in its restarts back', async () => {
    const browser = new Browser(provider, mount(flow));
    await browser.logIn('/page');
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 3; i++) {
        expect((await browser.get('/back?code=x&state=odd')).headers.get('location')).toBe('/page');
      }
      expect((await browser.get('/back?code=x&state=odd')).status).toBe(500);
      expect((await browser.get('/page')).status).toBe(200);
    }
  });

  test('marks cookies secure that go to all sites', async () => {
    const session = { ...SESSION, cookie_same_site: 'None', cookie_domain: 'localhost' };
    const run = await mount({ ...flow, session }).request();
    expect(run.headers.get('set-cookie')).toMatch(/; Path=\/; SameSite=None; Secure; HttpOnly$/);
  });
});

describe('openid-connect at logout', () => {
  const documents: Server[] = [];
  afterEach(() => {
    for (const server of documents.splice(0)) server.close();
  });

  /** A provider that has the discovery document alone. */
  async function providerWith(more: object): Promise<string> {
    const server = createServer((_request, response) => {
      response.end(JSON.stringify({ issuer: 'http://p.test', ...more }));
    });
    documents.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }
  const logOut = async (metadata: object, raw: object = {}, headers = {}) => {
    const discovery = await providerWith(metadata);
    const one = mount({ session: SESSION, discovery, ...raw });
    return one.request({ target: '/logout', headers });
  };
  const after = { post_logout_redirect_uri: 'http://gateway.test/bye' };

  test('goes on to the conf without an address of the provider', async () => {
    const run = await logOut({}, after);
    expect(run.status).toBe(302);
    expect(run.headers.get('location')).toBe(
      'http://gateway.test/bye?post_logout_redirect_uri=http%3A%2F%2Fgateway.test%2Fbye',
    );
  });

  test('goes on to the provider when that has an address for it', async () => {
    const run = await logOut({ end_session_endpoint: 'http://p.test/end?a=1' }, after);
    expect(run.headers.get('location')).toBe(
      'http://p.test/end?a=1&post_logout_redirect_uri=http%3A%2F%2Fgateway.test%2Fbye',
    );
  });

  test('says so without either', async () => {
    const run = await logOut({});
    expect(run.status).toBe(200);
    expect(run.headers.get('content-type')).toBe('text/html');
    expect(run.text).toBe('<html><body>Logged Out</body></html>\n');
  });

  test.each([
    ['image/png,*/*;q=0.5', 'image/png'],
    ['text/html;q=0.5, image/png', 'image/png'],
    ['text/html, image/png;q=0.8', 'text/html'],
    ['*/*', 'text/html'],
  ])('answers a page of the provider that asks for %s with %s', async (accept, type) => {
    const run = await logOut({}, {}, { Accept: accept });
    expect(run.status).toBe(200);
    expect(run.headers.get('content-type')).toBe(type);
  });

  test('answers 503 when the provider cannot be asked', async () => {
    const one = mount({ session: SESSION, discovery: 'http://127.0.0.1:1/' });
    expect((await one.request({ target: '/logout' })).status).toBe(503);
  });
});
