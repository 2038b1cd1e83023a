import { createServer } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  hasRedis,
  MemoryContext,
  memoryLog,
  mountPlugin,
  startRedis,
  validConf,
} from '@polygate/testing';
import type { MountedPlugin, RedisTestServer } from '@polygate/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Browser } from '../browser.harness.ts';
import type { SessionRedisConf } from '../conf.ts';
import plugin from '../openid-connect.ts';
import { CLIENT, REDIRECT, startOpenidProvider } from '../openid-provider.harness.ts';
import type { TestProvider } from '../openid-provider.harness.ts';
import { RedisSessions } from './redis-sessions.ts';
import { beginSession } from './session.ts';

const SECRET = 'jwcE5v3pM9VhqLxmxFOH9uZaLo8u7KQK';
const REDIS: Omit<SessionRedisConf, 'port'> = {
  ...{ host: '127.0.0.1', database: 0, prefix: 'sessions', ssl: false, ssl_verify: true },
  ...{ connect_timeout: 1000, send_timeout: 1000, read_timeout: 1000, keepalive_timeout: 10_000 },
};

let provider: TestProvider;
beforeAll(async () => {
  provider = await startOpenidProvider();
});
afterAll(() => provider.close());

const mounted: MountedPlugin[] = [];
afterEach(() => {
  for (const one of mounted.splice(0)) one.dispose();
});

function mount(redis: object, session: object = {}, more: object = {}): MountedPlugin {
  const conf = validConf(plugin.definition, {
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
    discovery: `${provider.issuer}/.well-known/openid-configuration`,
    redirect_uri: REDIRECT,
    session: { secret: SECRET, storage: 'redis', redis, ...session },
    ...more,
  });
  const made = mountPlugin(plugin, conf);
  mounted.push(made);
  return made;
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe.skipIf(!hasRedis())('openid-connect with sessions in Redis', () => {
  let server: RedisTestServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    await server.cli('FLUSHALL');
  });
  const redis = (more: object = {}) => ({ port: server.port, ...more });
  const keys = async () => (await server.cli('KEYS', '*')).split('\n').filter((key) => key !== '');

  test('keeps a login there, and in the browser nothing but an id', async () => {
    const browser = new Browser(provider, mount(redis()));
    await browser.logIn('/page');
    expect((await browser.get('/page')).status).toBe(200);
    expect([...browser.cookies.keys()]).toEqual(['session']);
    const id = browser.cookies.get('session') ?? '';
    expect(id).toMatch(/^[\w-]{43}$/);
    const [key = '', ...others] = await keys();
    expect(others).toEqual([]);
    expect(key).toMatch(/^sessions:session:[\w-]{43}$/);
    // who reads Redis learns neither what a browser sends nor who is logged in
    expect(key).not.toContain(id);
    const value = await server.cli('GET', key);
    expect(value).toMatch(/^[\w-]+$/);
    expect(Buffer.from(value, 'base64url').includes('jack')).toBe(false);
    const ttl = Number(await server.cli('TTL', key));
    expect(ttl).toBeGreaterThan(850);
    expect(ttl).toBeLessThanOrEqual(900);
  });

  test('lets any gateway read it that has the secret, and no other', async () => {
    const browser = new Browser(provider, mount(redis()));
    await browser.logIn('/page');
    const statusAt = async (one: MountedPlugin) => {
      const other = new Browser(provider, one);
      for (const [name, value] of browser.cookies) other.cookies.set(name, value);
      return (await other.get('/page')).status;
    };
    expect(await statusAt(mount(redis()))).toBe(200);
    expect(await statusAt(mount(redis(), { secret: 'another secret of us' }))).toBe(302);
    expect(await statusAt(mount(redis({ prefix: 'elsewhere' })))).toBe(302);
    expect(await statusAt(mount(redis(), {}, { client_id: 'another' }))).toBe(302);
  });

  test('does not open a session that was moved to another key', async () => {
    const one = mount(redis());
    const [victim, thief] = [new Browser(provider, one), new Browser(provider, one)];
    await thief.get('/page');
    const [own = ''] = await keys();
    await victim.logIn('/page');
    const stolen = (await keys()).find((key) => key !== own) ?? '';
    await server.cli('SET', own, await server.cli('GET', stolen));
    expect((await thief.get('/page')).status).toBe(302);
    expect((await victim.get('/page')).status).toBe(200);
  });

  test('gives a new id with the login and forgets the one before', async () => {
    const browser = new Browser(provider, mount(redis()));
    await browser.get('/page');
    const before = browser.cookies.get('session') ?? '';
    const [keyBefore = ''] = await keys();
    await browser.logIn('/page');
    expect(browser.cookies.get('session')).not.toBe(before);
    expect(await keys()).not.toContain(keyBefore);
    browser.cookies.set('session', before);
    expect((await browser.get('/page')).status).toBe(302);
  });

  test('deletes it at logout, so that a copy of the cookie is of no use', async () => {
    const one = mount(redis());
    const browser = new Browser(provider, one);
    await browser.logIn('/page');
    const id = browser.cookies.get('session') ?? '';
    const run = await browser.get('/logout');
    expect(run.status).toBe(302);
    expect(new URL(run.headers.get('location') ?? '').searchParams.has('id_token_hint')).toBe(true);
    expect(browser.cookies.size).toBe(0);
    expect(await keys()).toEqual([]);
    const thief = new Browser(provider, one);
    thief.cookies.set('session', id);
    expect((await thief.get('/page')).status).toBe(302);
  });

  test('renews tokens under the same id', async () => {
    const more = { scope: 'openid offline_access', access_token_expires_leeway: 36_000 };
    const browser = new Browser(provider, mount(redis(), {}, more));
    await browser.logIn('/page');
    const id = browser.cookies.get('session');
    const token = async () =>
      (await browser.get('/page')).upstreamRequest?.headers.get('x-access-token');
    const first = await token();
    expect(await token()).not.toBe(first);
    expect(browser.cookies.get('session')).toBe(id);
    expect(await keys()).toHaveLength(1);
  });

  test('a slow request does not bring back what was logged out of meanwhile', async () => {
    const conf = { secret: SECRET, storage: 'redis' } as const;
    const sessions = new RedisSessions(conf, { ...REDIS, port: server.port }, ['c', 'd']);
    const log = memoryLog();
    const ctx = new MemoryContext({}, log);
    const login = { accessTokenEndMs: 0, atMs: 0 };
    await sessions.write(ctx, { ...beginSession(), login });
    const [, id = ''] = /^session=([\w-]+);/.exec(ctx.response.early.get('set-cookie') ?? '') ?? [];
    const headers = new MemoryContext({ headers: { cookie: `session=${id}` } }, log).request
      .headers;
    const session = await sessions.read(headers);
    if (session === undefined) throw new Error('not kept');
    await sessions.drop(ctx, session);
    await expect(sessions.write(ctx, session)).rejects.toThrow('the session has ended');
    await sessions.touch(ctx, { ...session, seenMs: 0 });
    expect(await keys()).toEqual([]);
    sessions.close();
  });

  test('Redis ends it when it idles', async () => {
    const browser = new Browser(provider, mount(redis(), { idling_timeout: 1 }));
    await browser.logIn('/page');
    await eventually(async () => (await keys()).length === 0);
    expect((await browser.get('/page')).status).toBe(302);
  });

  test('ends at its absolute limit while it is in use', async () => {
    const browser = new Browser(provider, mount(redis(), { absolute_timeout: 2 }));
    await browser.logIn('/page');
    expect((await browser.get('/page')).status).toBe(200);
    await eventually(async () => (await browser.get('/page')).status === 302);
  });

  test('names the keys and the cookie as it is told', async () => {
    const browser = new Browser(
      provider,
      mount(redis({ prefix: 'mine', database: 3 }), { cookie_name: 'sid' }),
    );
    await browser.logIn('/page');
    expect([...browser.cookies.keys()]).toEqual(['sid']);
    expect(await keys()).toEqual([]);
    expect(await server.cli('-n', '3', 'KEYS', '*')).toMatch(/^mine:sid:/);
  });

  test('does not ask Redis about what is no id', async () => {
    const deny = new Browser(provider, mount({ port: 1 }, {}, { unauth_action: 'deny' }));
    deny.cookies.set('session', '../../x');
    expect((await deny.get('/page')).status).toBe(401);
  });
});

describe.skipIf(!hasRedis())('openid-connect when Redis is away', () => {
  test('lets nobody in and sends nobody to log in', async () => {
    const server = await startRedis();
    const redis = { port: server.port, read_timeout: 300, send_timeout: 300 };
    const browsers = ['auth', 'pass', 'deny'].map(
      (action) => new Browser(provider, mount(redis, {}, { unauth_action: action })),
    );
    const [browser, pass, deny] = browsers as [Browser, Browser, Browser];
    await browser.logIn('/page');
    for (const other of [pass, deny]) {
      other.cookies.set('session', browser.cookies.get('session') ?? '');
      expect((await other.get('/page')).status).toBe(200);
    }
    server.freeze();
    const slow = await browser.get('/page');
    expect([slow.status, slow.headers.has('location')]).toEqual([500, false]);
    expect(slow.log[0]).toContain('session storage redis failed: timeout');
    server.thaw();
    await server.kill();
    for (const one of browsers) {
      const run = await one.get('/page');
      expect([run.status, run.headers.has('location')]).toEqual([500, false]);
      expect(run.upstreamRequest).toBeUndefined();
    }
    expect((await browser.get('/logout')).status).toBe(503);
    await server.start();
    // it is empty now: whoever was logged in has to be anew
    await eventually(async () => (await browser.get('/page')).status === 302);
    await browser.logIn('/page');
    expect((await browser.get('/page')).status).toBe(200);
    await server.close();
  });
});

describe.skipIf(!hasRedis())('openid-connect with a Redis', () => {
  test('that asks for a user and a password', async () => {
    const server = await startRedis();
    await server.cli('ACL', 'SETUSER', 'oidc', 'on', '>let-me-in', '~mine:*', '+@all');
    const login = async (more: object) => {
      const browser = new Browser(
        provider,
        mount({ port: server.port, prefix: 'mine', username: 'oidc', ...more }),
      );
      return browser.get('/page');
    };
    expect((await login({ password: 'let-me-in' })).status).toBe(302);
    const refused = await login({ password: 'wrong' });
    expect(refused.status).toBe(500);
    expect(refused.log[0]).toContain('WRONGPASS');
    const elsewhere = await login({ password: 'let-me-in', prefix: 'other' });
    expect(elsewhere.log[0]).toContain('NOPERM');
    await server.close();
  });

  test('behind TLS, whose certificate counts when it is to be verified', async () => {
    const server = await startRedis({ tls: true });
    const redis = { port: server.port, ssl: true };
    const trusting = new Browser(provider, mount({ ...redis, ssl_verify: false }));
    await trusting.logIn('/page');
    expect((await trusting.get('/page')).status).toBe(200);
    const strict = await new Browser(provider, mount(redis)).get('/page');
    expect(strict.status).toBe(500);
    expect(strict.log[0]).toContain('failed to do ssl handshake');
    await server.close();
  });

  test('that is asked for by another name than its address', async () => {
    let asked: string | undefined;
    const server = createServer({
      SNICallback(name, answer) {
        asked = name;
        answer(new Error('that was all'));
      },
    });
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const redis = { port, ssl: true, ssl_verify: false, server_name: 'redis.test' };
    expect((await new Browser(provider, mount(redis)).get('/page')).status).toBe(500);
    expect(asked).toBe('redis.test');
    server.close();
  });
});
