import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { compileSchema } from '@polygate/model';
import { JWT_PAYLOAD, type ConsumerMatch } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './jwt-auth.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);
const SECRET = 'my-secret-key';

function consumer(username: string, authConf: object): ConsumerMatch {
  const filled = { key: `${username}-key`, ...authConf };
  const { definition } = plugin;
  compileSchema(definition.consumerSchema ?? {})(filled);
  definition.checkConsumer?.(filled);
  return {
    username,
    groupId: undefined,
    labels: undefined,
    customId: undefined,
    credentialId: undefined,
    authConf: filled,
  };
}

const known = (match: ConsumerMatch, request: PluginRequest = {}): PluginRequest => ({
  consumersByKey: { 'jwt-auth': { [String(match.authConf['key'])]: match } },
  consumersByName: { nobody: { ...match, username: 'nobody' } },
  ...request,
});

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const hmacToken = (
  payload: object,
  header: object = { alg: 'HS256', typ: 'JWT' },
  key = SECRET,
) => {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
};
const nowSeconds = () => Math.floor(Date.now() / 1000);

const jack = consumer('jack', { secret: SECRET });
const good = () => hmacToken({ key: 'jack-key', exp: nowSeconds() + 60 });
const withToken = (token: string) => known(jack, { headers: { Authorization: `Bearer ${token}` } });

describe('jwt-auth finds the token', () => {
  test.each(['Bearer ', 'bearer ', ''])('in the header behind %j', async (scheme) => {
    const headers = { Authorization: `${scheme}${good()}` };
    const run = await runPlugin(plugin, conf(), known(jack, { headers }));
    expect(run.ctx.consumer?.username).toBe('jack');
    expect(run.upstreamRequest?.headers.has('authorization')).toBe(true);
  });

  test('in the query, and hides it there', async () => {
    const request = known(jack, { target: `/hello?a=1&t=${good()}` });
    const run = await runPlugin(plugin, conf({ query: 't', hide_credentials: true }), request);
    expect(run.upstreamRequest?.query).toBe('a=1');
  });

  test('in a cookie, and hides that one only', async () => {
    const headers = { Cookie: `hello=world; t=${good()}; foo=bar` };
    const hiding = conf({ cookie: 't', hide_credentials: true });
    const run = await runPlugin(plugin, hiding, known(jack, { headers }));
    expect(run.ctx.consumer?.username).toBe('jack');
    expect(run.upstreamRequest?.headers.get('cookie')).toBe('hello=world; foo=bar');
    const alone = known(jack, { headers: { Cookie: `t=${good()}` } });
    expect((await runPlugin(plugin, hiding, alone)).upstreamRequest?.headers.has('cookie')).toBe(
      false,
    );
  });

  test('nowhere: 401 with a challenge', async () => {
    const run = await runPlugin(plugin, conf({ realm: 'zone' }), known(jack));
    expect(run.status).toBe(401);
    expect(run.text).toBe('{"message":"Missing JWT token in request"}\n');
    expect(run.headers.get('www-authenticate')).toBe('Bearer realm="zone"');
  });
});

describe('jwt-auth refuses', () => {
  const later = () => nowSeconds() + 60;

  test.each([
    ['a', 'JWT token invalid', 'invalid jwt string'],
    ['a.b.c.d.e', 'JWT token invalid', 'invalid jwt string'],
    ['in!valid.e30.x', 'JWT token invalid', 'invalid header: in!valid'],
    [`${encode(1)}.e30.x`, 'JWT token invalid', `invalid header: ${encode(1)}`],
    [`e30.${encode(null)}.x`, 'JWT token invalid', `invalid payload: ${encode(null)}`],
  ])('the token %s', async (token, message, reason) => {
    const run = await runPlugin(plugin, conf(), withToken(token));
    expect(run.text).toBe(`{"message":"${message}"}\n`);
    expect(run.log).toEqual([`warn: JWT token invalid: ${reason}`]);
  });

  test.each([
    [{}, 'missing user key in JWT token'],
    [{ key: false }, 'missing user key in JWT token'],
    [{ key: 1 }, 'Invalid user key in JWT token'],
    [{ key: null }, 'Invalid user key in JWT token'],
    [{ key: 'other' }, 'Invalid user key in JWT token'],
  ])('a token that names no consumer: %j', async (payload, message) => {
    const run = await runPlugin(plugin, conf(), withToken(hmacToken(payload)));
    expect(run.text).toBe(`{"message":"${message}"}\n`);
  });

  test.each(['constructor', '__proto__'])('a claim that every object has: %s', async (name) => {
    const run = await runPlugin(plugin, conf({ key_claim_name: name }), withToken(good()));
    expect(run.text).toBe('{"message":"missing user key in JWT token"}\n');
  });

  test.each([
    [{ exp: 1_563_870_501 }, "'exp' claim expired at Tue, 23 Jul 2019 08:28:21 GMT"],
    [{ exp: 'soon' }, 'claim exp is not a number'],
    [{ exp: null }, 'claim exp is not a number'],
    [{ nbf: 32_503_680_000 }, "'nbf' claim not valid until Wed, 01 Jan 3000 00:00:00 GMT"],
  ])('the times %j without being told to look', async (times, reason) => {
    const token = hmacToken({ key: 'jack-key', ...times });
    const run = await runPlugin(plugin, conf({ claims_to_verify: [] }), withToken(token));
    expect(run.text).toBe('{"message":"failed to verify jwt"}\n');
    expect(run.log).toEqual([`warn: failed to verify jwt: ${reason}`]);
  });

  test('a token without a claim that it must have', async () => {
    const strict = conf({ claims_to_verify: ['exp', 'nbf'] });
    const run = await runPlugin(plugin, strict, withToken(good()));
    expect(run.log).toEqual(['warn: failed to verify jwt: claim nbf is missing']);
    const whole = hmacToken({ key: 'jack-key', exp: later(), nbf: nowSeconds() - 5 });
    expect((await runPlugin(plugin, strict, withToken(whole))).status).toBe(200);
  });

  test('a signature by another key, a changed payload and no signature at all', async () => {
    const forged = hmacToken({ key: 'jack-key', exp: later() }, undefined, 'other');
    const [header, , signature] = good().split('.');
    const changed = `${header}.${encode({ key: 'jack-key', admin: true })}.${signature}`;
    const bare = `${header}.${encode({ key: 'jack-key' })}.`;
    for (const token of [forged, changed, bare]) {
      const run = await runPlugin(plugin, conf(), withToken(token));
      expect(run.text).toBe('{"message":"failed to verify jwt"}\n');
      expect(run.log[0]).toContain('signature mismatch');
    }
  });

  test("an algorithm that is not the consumer's", async () => {
    for (const alg of ['none', 'None', 'HS512', 'RS256', undefined, null, ['HS256']]) {
      const token = hmacToken({ key: 'jack-key' }, { alg });
      const run = await runPlugin(plugin, conf(), withToken(token));
      expect(run.status).toBe(401);
      expect(run.log).toEqual(['warn: failed to verify jwt: algorithm mismatch, expected HS256']);
    }
  });
});

describe('jwt-auth verifies by the algorithm of the consumer', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const curve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
  const pem = (key: KeyObject): string => String(key.export({ type: 'spki', format: 'pem' }));
  const p256 = curve('P-256');
  const p384 = curve('P-384');
  const p521 = curve('P-521');
  const signed = (alg: string, key: KeyObject, payload: object = { key: 'kim-key' }) => {
    const input = `${encode({ alg })}.${encode(payload)}`;
    const hash = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
    const padding = alg.startsWith('PS') ? { padding: 6 } : {};
    const options = { key, dsaEncoding: 'ieee-p1363' as const, ...padding };
    return `${input}.${sign(hash, Buffer.from(input), options).toString('base64url')}`;
  };
  const kim = (algorithm: string, publicKey: string) =>
    consumer('kim', { algorithm, public_key: publicKey });
  const runWith = (token: string, match: ConsumerMatch) =>
    runPlugin(plugin, conf(), known(match, { headers: { Authorization: token } }));

  test.each([
    ['RS256', rsa],
    ['RS384', rsa],
    ['RS512', rsa],
    ['PS256', rsa],
    ['PS384', rsa],
    ['PS512', rsa],
    ['ES256', p256],
    ['ES384', p384],
    ['ES512', p521],
    ['EdDSA', generateKeyPairSync('ed25519')],
    ['EdDSA', generateKeyPairSync('ed448')],
  ])('%s', async (alg, { publicKey, privateKey }) => {
    const match = kim(alg, pem(publicKey));
    const token = signed(alg, privateKey);
    expect((await runWith(token, match)).ctx.consumer?.username).toBe('kim');
    const [header, , signature] = token.split('.');
    const changed = `${header}.${encode({ key: 'kim-key', admin: true })}.${signature}`;
    expect((await runWith(changed, match)).status).toBe(401);
    expect((await runWith(`${header}.${encode({ key: 'kim-key' })}.AAAA`, match)).status).toBe(401);
  });

  test('never an HMAC with the public key as its secret', async () => {
    const publicPem = pem(rsa.publicKey);
    const forged = hmacToken({ key: 'kim-key' }, { alg: 'HS256' }, publicPem);
    expect((await runWith(forged, kim('RS256', publicPem))).status).toBe(401);
    const relabelled = hmacToken({ key: 'kim-key' }, { alg: 'RS256' }, publicPem);
    expect((await runWith(relabelled, kim('RS256', publicPem))).status).toBe(401);
  });

  test.each([
    ['ES256', pem(p384.publicKey)],
    ['RS256', pem(p256.publicKey)],
    ['EdDSA', pem(rsa.publicKey)],
    ['RS256', 'no key at all'],
  ])('nothing for %s with a key that is not made for it', async (alg, key) => {
    const token = `${encode({ alg })}.${encode({ key: 'kim-key' })}.AAAA`;
    const run = await runWith(token, kim(alg, key));
    expect(run.text).toBe('{"message":"failed to verify jwt"}\n');
    expect(run.log).toEqual(['warn: failed to verify jwt: the key of kim is unusable']);
  });

  test('a secret in base64', async () => {
    const bytes = Buffer.from([0, 255, 1, 254, 9]);
    const match = consumer('kim', { secret: bytes.toString('base64'), base64_secret: true });
    const input = `${encode({ alg: 'HS256' })}.${encode({ key: 'kim-key' })}`;
    const mac = createHmac('sha256', bytes).update(input).digest('base64url');
    expect((await runWith(`${input}.${mac}`, match)).status).toBe(200);
  });

  test('with some time to spare: lifetime_grace_period', async () => {
    const token = hmacToken({ key: 'kim-key', exp: nowSeconds() - 5 });
    const strict = consumer('kim', { secret: SECRET });
    expect((await runWith(token, strict)).status).toBe(401);
    const lenient = consumer('kim', { secret: SECRET, lifetime_grace_period: 60 });
    expect((await runWith(token, lenient)).status).toBe(200);
  });
});

describe('jwt-auth', () => {
  test('leaves the claims for other plugins with store_in_ctx only', async () => {
    const run = await runPlugin(plugin, conf({ store_in_ctx: true }), withToken(good()));
    expect(run.ctx.get(JWT_PAYLOAD)).toMatchObject({ key: 'jack-key' });
    const without = await runPlugin(plugin, conf(), withToken(good()));
    expect(without.ctx.get(JWT_PAYLOAD)).toBeUndefined();
  });

  test('falls back to the anonymous consumer', async () => {
    const run = await runPlugin(plugin, conf({ anonymous_consumer: 'nobody' }), withToken('wrong'));
    expect(run.ctx.consumer?.username).toBe('nobody');
    const ghost = await runPlugin(plugin, conf({ anonymous_consumer: 'ghost' }), known(jack));
    expect(ghost.text).toBe('{"message":"Invalid user authorization"}\n');
  });

  test.each([
    [{}, 'property "secret" is required when using HS based algorithms'],
    [{ algorithm: 'HS512' }, 'property "secret" is required when using HS based algorithms'],
    [
      { secret: '{^c0j4&]2!=J=', base64_secret: true },
      'base64_secret required but the secret is not in base64 format',
    ],
    [{ algorithm: 'none', secret: 'x' }, 'property "algorithm" validation failed'],
    [{ algorithm: 'RS256' }, 'failed to validate dependent schema for "algorithm"'],
  ])('refuses the consumer conf %j', (raw, message) => {
    expect(() => consumer('kim', raw)).toThrow(message);
  });
});
