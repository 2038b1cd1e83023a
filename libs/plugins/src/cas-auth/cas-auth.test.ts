import { createHash } from 'node:crypto';
import { FakeClock, memorySharedState, mountPlugin, validConf } from '@polygate/testing';
import type { MountedPlugin, PluginRun } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { callbackPath, isSafeRedirect } from './callback.ts';
import plugin from './cas-auth.ts';
import { signValue, verifyValue } from './signed-value.ts';

const SECRET = '0123456789abcdef0123456789abcdef';

/** The CAS server: knows the ticket ST-jack. */
let idp: TestService;
beforeAll(async () => {
  idp = await startService(({ path }, response) => {
    const isKnown = new URL(path, 'http://idp').searchParams.get('ticket') === 'ST-jack';
    if (path.includes('ST-broken')) response.statusCode = 500;
    response.end(
      isKnown || path.includes('ST-broken')
        ? '<cas:authenticationSuccess><cas:user>jack</cas:user></cas:authenticationSuccess>'
        : '<cas:authenticationFailure code="INVALID_TICKET"/>',
    );
  });
});
afterAll(() => idp.close());

let shared = memorySharedState();
const mounted: MountedPlugin[] = [];
beforeEach(() => {
  shared = memorySharedState();
});
afterEach(() => {
  for (const one of mounted.splice(0)) one.dispose();
});

const raw = (more: object = {}) => ({
  idp_uri: `${idp.url}/cas`,
  cas_callback_uri: '/cas_callback',
  logout_uri: '/logout',
  cookie: { secret: SECRET },
  ...more,
});

function mount(more: object = {}, state = shared): MountedPlugin {
  const made = mountPlugin(plugin, validConf(plugin.definition, raw(more)), { shared: state });
  mounted.push(made);
  return made;
}

/** `name=value` of each cookie that is set, without attributes. */
const cookiesOf = (run: PluginRun) =>
  run.headers.getAll('set-cookie').map((cookie) => cookie.split(';')[0] as string);

const get = (made: MountedPlugin, target: string, cookie = '') =>
  made.request({ target, headers: { host: 'app.test', ...(cookie !== '' && { cookie }) } });

/** Sends a user through the login; the session's cookie. */
async function logIn(made: MountedPlugin, ticket = 'ST-jack'): Promise<PluginRun> {
  const [begun] = cookiesOf(await get(made, '/page?a=1'));
  return get(made, `/cas_callback?ticket=${ticket}`, begun);
}

describe('cas-auth', () => {
  test('sends who is not known to the CAS server', async () => {
    const run = await get(mount(), '/page?a=1');
    expect(run.status).toBe(302);
    const location = new URL(run.headers.get('location')!);
    expect(`${location.origin}${location.pathname}`).toBe(`${idp.url}/cas/login`);
    expect(location.searchParams.get('service')).toMatch(/^http:\/\/app\.test:\d+\/cas_callback$/);
    expect(run.headers.get('set-cookie')).toMatch(
      /^CAS_REQUEST_URI=[^;]+; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(verifyValue(SECRET, cookiesOf(run)[0]!.split('CAS_REQUEST_URI=')[1])).toBe('/page?a=1');
  });

  test('does not let the Host header name the service where the conf does', async () => {
    const made = mount({ cas_callback_uri: 'https://app.example.com/cas_callback' });
    const run = await get(made, '/page');
    expect(run.headers.get('location')).toContain(
      'service=https%3A%2F%2Fapp.example.com%2Fcas_callback',
    );
  });

  test('brings a user with a good ticket back to where the login began, and lets him in', async () => {
    const made = mount();
    const back = await logIn(made);
    expect(back.status).toBe(302);
    expect(back.headers.get('location')).toBe('/page?a=1');
    const fingerprint = createHash('sha256').update(`${idp.url}/cas|/cas_callback`).digest('hex');
    const [session, dropped] = cookiesOf(back);
    expect(session).toBe(`CAS_SESSION_${fingerprint}=ST-jack`);
    expect(dropped).toBe('CAS_REQUEST_URI=deleted');
    expect((await get(made, '/page', session)).upstreamRequest).toBeDefined();
    const validation = idp.seen.at(-1)!.path;
    expect(validation).toMatch(/^\/cas\/serviceValidate\?ticket=ST-jack&service=http%3A%2F%2Fapp/);
  });

  test.each([
    ['without the cookie of its beginning', ''],
    ['with one that was not signed here', `CAS_REQUEST_URI=${signValue('x'.repeat(32), '/page')}`],
    ['that would lead elsewhere', `CAS_REQUEST_URI=${signValue(SECRET, '//evil.test/')}`],
  ])('refuses a login %s, without asking the CAS server', async (_case, cookie) => {
    const asked = idp.seen.length;
    const run = await get(mount(), '/cas_callback?ticket=ST-jack', cookie);
    expect(run.status).toBe(401);
    expect(run.text).toBe('{"message":"invalid callback state"}\n');
    expect(cookiesOf(run)).toEqual([]);
    expect(idp.seen.length).toBe(asked);
  });

  test.each(['ST-unknown', 'ST-broken'])('refuses the ticket %s', async (ticket) => {
    const run = await logIn(mount(), ticket);
    expect(run.status).toBe(401);
    expect(run.text).toBe('{"message":"invalid ticket"}\n');
    expect(cookiesOf(run)).toEqual([]);
  });

  test('takes a ticket once', async () => {
    const made = mount();
    expect((await logIn(made)).status).toBe(302);
    expect((await logIn(made)).status).toBe(401);
  });

  test('keeps a session for an hour after its last request', async () => {
    const clock = new FakeClock();
    const state = memorySharedState(() => clock.now());
    const made = mount({}, state);
    const [session] = cookiesOf(await logIn(made));
    for (let i = 0; i < 3; i++) {
      clock.advance(3_599_000);
      expect((await get(made, '/page', session)).status).toBe(200);
    }
    clock.advance(3_600_000);
    const over = await get(made, '/page', session);
    expect(over.status).toBe(302);
    expect(cookiesOf(over)[0]).toMatch(/^CAS_SESSION_[0-9a-f]{64}=deleted$/);
  });

  test('does not take the session of another configuration', async () => {
    const [session] = cookiesOf(await logIn(mount()));
    const other = mount({ cas_callback_uri: '/elsewhere' });
    expect((await get(other, '/page', session)).status).toBe(302);
    const forgedName = cookiesOf(await get(other, '/page', session))[0];
    expect(forgedName).toMatch(/^CAS_REQUEST_URI=/);
    const twin = createHash('sha256').update(`${idp.url}/cas|/elsewhere`).digest('hex');
    expect((await get(other, '/page', `CAS_SESSION_${twin}=ST-jack`)).status).toBe(302);
  });

  test('ends a session at the logout path, and when the CAS server says so', async () => {
    const made = mount();
    const [session] = cookiesOf(await logIn(made));
    const out = await get(made, '/logout', session);
    expect(out.headers.get('location')).toBe(`${idp.url}/cas/logout`);
    expect((await get(made, '/page', session)).status).toBe(302);
    expect((await get(made, '/logout')).status).toBe(401);

    await logIn(made);
    expect((await get(made, '/page', session)).status).toBe(200);
    const request = '<samlp:LogoutRequest><samlp:SessionIndex>ST-jack</samlp:SessionIndex></a>';
    const told = await made.request({ method: 'POST', target: '/cas_callback', body: request });
    expect(told.status).toBe(200);
    expect(told.upstreamRequest).toBeUndefined();
    expect((await get(made, '/page', session)).status).toBe(302);
  });

  test.each([
    ['no body', {}, undefined],
    ['an empty ticket', {}, '<samlp:SessionIndex></samlp:SessionIndex>'],
    [
      'too large a body',
      { max_req_body_size: 8 },
      '<samlp:SessionIndex>ST-jack</samlp:SessionIndex>',
    ],
  ])('answers 400 to a logout with %s', async (_case, more, body) => {
    const run = await mount(more).request({
      ...{ method: 'POST', target: '/cas_callback' },
      ...(body !== undefined && { body }),
    });
    expect(run.status).toBe(400);
    expect(run.text).toContain('no ticket');
  });

  test.each([
    [{ cookie: {} }, 'property "secret" is required'],
    [{ cookie: { secret: 'short' } }, 'string too short'],
    [{ cookie: { secret: SECRET, samesite: 'Strict' } }, 'samesite'],
    [
      { cookie: { secret: SECRET, samesite: 'None', secure: false } },
      'cookie.secure must be true when cookie.samesite is "None"',
    ],
  ])('refuses the conf %j', (more, message) => {
    expect(() => validConf(plugin.definition, raw(more))).toThrow(message);
  });
});

test.each([
  ['/foo?bar=baz', true],
  ['https://evil.com/x', false],
  ['//evil.com/x', false],
  ['\\\\evil.com', false],
  ['/\\evil.com', false],
  ['/foo\r\nLocation: x', false],
  ['', false],
])('a redirect to %j is safe: %s', (uri, isSafe) => {
  expect(isSafeRedirect(uri)).toBe(isSafe);
});

test.each([
  ['/cas_callback', '/cas_callback'],
  ['https://app.example.com/cas_callback', '/cas_callback'],
  ['http://app.example.com:8443/cb', '/cb'],
  ['https://app.example.com', '/'],
  ['https://app.example.com/cb?from=cas', '/cb'],
  ['https://app.example.com/cb#frag', '/cb'],
])('the path of the callback %s is %s', (callbackUri, path) => {
  expect(callbackPath(callbackUri)).toBe(path);
});

test('a signed value is good with its secret only, and as it was', () => {
  const signed = signValue(SECRET, '/foo?bar=baz');
  expect(verifyValue(SECRET, signed)).toBe('/foo?bar=baz');
  expect(verifyValue('x'.repeat(32), signed)).toBeUndefined();
  const [value, signature] = signed.split('.') as [string, string];
  expect(verifyValue(SECRET, `${value}.A${signature.slice(1)}B`)).toBeUndefined();
  expect(verifyValue(SECRET, `${value}x.${signature}`)).toBeUndefined();
  for (const malformed of [undefined, '', 'no-dot-here', 'abc.def', '.']) {
    expect(verifyValue(SECRET, malformed)).toBeUndefined();
  }
});
