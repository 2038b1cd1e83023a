import type { PluginRun, PluginRequest } from '@polygate/testing';
import { mountPlugin, validConf, type MountedPlugin } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import plugin from './openid-connect.ts';
import { CLIENT, REDIRECT, startOpenidProvider } from './openid-provider.harness.ts';
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

/** Keeps cookies as a browser does. */
class Browser {
  readonly #plugin: MountedPlugin;
  readonly cookies = new Map<string, string>();

  constructor(one: MountedPlugin) {
    this.#plugin = one;
  }

  async get(target: string, more: PluginRequest = {}): Promise<PluginRun> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { Host: 'gateway.test', ...(cookie !== '' && { Cookie: cookie }) };
    const run = await this.#plugin.request({
      ...more,
      target,
      headers: { ...headers, ...more.headers },
    });
    for (const line of run.headers.getAll('set-cookie')) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return run;
  }

  /** To the provider and back; gives the answer to what the provider sent the browser to. */
  async logIn(target: string): Promise<PluginRun> {
    const start = await this.get(target);
    expect(start.status).toBe(302);
    const back = await provider.follow(start.headers.get('location') ?? '');
    expect(back.href.startsWith(REDIRECT)).toBe(true);
    return this.get(`${back.pathname}${back.search}`);
  }
}

describe('openid-connect with browsers', () => {
  const flow = { session: SESSION, set_refresh_token_header: true };

  test('sends them to the provider and, logged in, back to where they were', async () => {
    const browser = new Browser(mount({ ...flow, use_pkce: true, use_nonce: true }));
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
    const run = await new Browser(mount({ ...flow, ...more })).get('/page');
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
    const browser = new Browser(mount({ ...flow, par: { enabled: true } }));
    const run = await browser.get('/page');
    const { searchParams } = new URL(run.headers.get('location') ?? '');
    expect([...searchParams.keys()]).toEqual(['client_id', 'request_uri']);
    const back = await provider.follow(run.headers.get('location') ?? '');
    expect((await browser.get(`${back.pathname}${back.search}`)).status).toBe(302);
    expect((await browser.get('/page')).status).toBe(200);
  });

  test('takes no session that was tampered with or is of another route', async () => {
    const browser = new Browser(mount(flow));
    await browser.logIn('/page');
    const value = browser.cookies.get('session')!;
    const cut = value.slice(0, -3) + (value.endsWith('AAA') ? 'BBB' : 'AAA');
    browser.cookies.set('session', cut);
    expect((await browser.get('/page')).status).toBe(302);
    const elsewhere = new Browser(mount({ ...flow, client_id: 'another' }));
    elsewhere.cookies.set('session', value);
    expect((await elsewhere.get('/page')).status).toBe(302);
    const otherSecret = new Browser(mount({ session: { secret: 'another secret of us' } }));
    otherSecret.cookies.set('session', value);
    expect((await otherSecret.get('/page')).status).toBe(302);
  });

  test('takes a code once only, and only in the browser that asked for it', async () => {
    const one = mount(flow);
    const browser = new Browser(one);
    const start = await browser.get('/page');
    const back = await provider.follow(start.headers.get('location') ?? '');
    const target = `${back.pathname}${back.search}`;
    expect((await new Browser(one).get(target)).status).toBe(500);
    expect((await browser.get(target)).headers.get('location')).toBe('/page');
    expect((await browser.get(target)).status).toBe(500);
  });

  test('begins anew for a state that is not known, three times at most', async () => {
    const browser = new Browser(mount(flow));
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
    const browser = new Browser(mount(flow));
    const start = await browser.get('/page');
    const state = new URL(start.headers.get('location') ?? '').searchParams.get('state');
    const back = (error: string, of = state) => browser.get(`/back?error=${error}&state=${of}`);
    expect((await back('access_denied')).status).toBe(500);
    expect((await back('temporarily_unavailable', '__proto__')).status).toBe(500);
    expect((await back('temporarily_unavailable')).headers.get('location')).toBe('/page');
  });

  test('never sends a browser to another host', async () => {
    const browser = new Browser(mount(flow));
    await browser.logIn('//evil.test/page').then((run) => {
      expect(run.headers.get('location')).toBe('/evil.test/page');
    });
  });

  test('renews an access token that has ended', async () => {
    const leeway = { ...flow, scope: 'openid offline_access', access_token_expires_leeway: 36_000 };
    const browser = new Browser(mount(leeway));
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
    const browser = new Browser(mount({ ...flow, ...bye }));
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
});
