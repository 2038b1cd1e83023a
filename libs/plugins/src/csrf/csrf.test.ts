import { createHash } from 'node:crypto';
import { luaNumber } from '@polygate/model';
import { runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { cookieTime } from './cookie-time.ts';
import { makeToken } from './csrf-token.ts';
import plugin from './csrf.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, { key: 'userkey', ...raw });
const NAME = 'apisix-csrf-token';

/** As APISIX makes one. */
function token(fields: { random?: unknown; expires?: unknown; sign?: unknown } = {}): string {
  const { random = 0.5, expires = Math.floor(Date.now() / 1000) } = fields;
  const text = `{expires:${String(expires)},random:${String(random)},key:userkey}`;
  const sign = createHash('sha256').update(text).digest('hex');
  return Buffer.from(JSON.stringify({ random, expires, sign, ...fields })).toString('base64');
}

function post(inHeader: string | undefined, inCookie: string | undefined, raw: object = {}) {
  return runPlugin(plugin, conf(raw), {
    method: 'POST',
    headers: {
      ...(inHeader === undefined ? {} : { [NAME]: inHeader }),
      ...(inCookie === undefined ? {} : { Cookie: `a=b; ${NAME}=${inCookie}` }),
    },
  });
}

describe('csrf', () => {
  test('gives a token with every answer that it takes back', async () => {
    const first = await runPlugin(plugin, conf());
    expect(first.status).toBe(200);
    const cookie = first.headers.get('Set-Cookie') ?? '';
    expect(cookie).toMatch(
      /^apisix-csrf-token=[A-Za-z0-9+/]+=*;path=\/;SameSite=Lax;Expires=\w{3}, \d\d-\w{3}-\d\d /,
    );
    const value = cookie.slice(cookie.indexOf('=') + 1, cookie.indexOf(';'));
    const second = await post(value, value);
    expect(second.status).toBe(200);
    expect(second.headers.get('Set-Cookie')).not.toBe(cookie);
  });

  test('makes tokens of which APISIX writes the number in the same way', () => {
    for (let i = 0; i < 200; i++) {
      const { random } = JSON.parse(Buffer.from(makeToken('key', 1), 'base64').toString()) as {
        random: number;
      };
      expect(Buffer.from(makeToken('key', 1), 'base64').toString()).toMatch(/"random":0\.\d{14},/);
      expect(luaNumber(random)).toMatch(/^0\.\d{14}$/);
    }
  });

  test('takes a token that APISIX made', async () => {
    const made = token({ random: 0.60241187180914 });
    expect((await post(made, made)).status).toBe(200);
  });

  test.each(['GET', 'HEAD', 'OPTIONS'])('asks %s for no token', async (method) => {
    expect((await runPlugin(plugin, conf(), { method })).status).toBe(200);
  });

  test.each([
    [undefined, token(), 'no csrf token in headers'],
    ['', token(), 'no csrf token in headers'],
    [token(), undefined, 'no csrf cookie'],
    [token(), token({ random: 0.25 }), 'csrf token mismatch'],
  ])('with %j in the header and %j as cookie it answers 401', async (header, cookie, message) => {
    const run = await post(header, cookie);
    expect(run.status).toBe(401);
    expect(run.text).toBe(`{"error_msg":"${message}"}\n`);
    expect(run.upstreamRequest).toBeUndefined();
  });

  test.each([
    ['%%%', 'csrf token base64 decode error'],
    [Buffer.from('{').toString('base64'), 'decode token error'],
    [Buffer.from('7').toString('base64'), 'decode token error'],
    [token({ random: '1' }), 'no random in token'],
    [token({ expires: 'never' }), 'no expires in token'],
    [token({ expires: 1 }), 'token has expired'],
    [token({ sign: 'wrong' }), 'Invalid signatures'],
    [token({ sign: 1 }), 'Invalid signatures'],
  ])('refuses %s and says in the log: %s', async (value, reason) => {
    const run = await post(value, value);
    expect(run.text).toBe('{"error_msg":"Failed to verify the csrf token signature"}\n');
    expect(run.log).toEqual([`error: ${reason}`]);
  });

  test('knows no end of a token when it is told so', async () => {
    const old = token({ expires: 1 });
    expect((await post(old, old, { expires: 0 })).status).toBe(200);
  });

  test('refuses a conf without key', () => {
    expect(() => validConf(plugin.definition, {})).toThrow('property "key" is required');
  });

  test('writes times as nginx does', () => {
    expect(cookieTime(1_290_079_655)).toBe('Thu, 18-Nov-10 11:27:35 GMT');
    expect(cookieTime(4_102_444_800)).toBe('Fri, 01-Jan-2100 00:00:00 GMT');
  });
});
