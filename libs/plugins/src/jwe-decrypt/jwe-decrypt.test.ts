import { createCipheriv, randomBytes } from 'node:crypto';
import { compileSchema } from '@polygate/model';
import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './jwe-decrypt.ts';

const { definition } = plugin;
const SECRET = '12345678901234567890123456789012';
const KEY = randomBytes(32);

const conf = (raw: object = {}) =>
  validConf(definition, { header: 'Authorization', forward_header: 'Authorization', ...raw });

function consumer(username: string, authConf: object): ConsumerMatch {
  return {
    username,
    groupId: undefined,
    labels: undefined,
    customId: undefined,
    credentialId: undefined,
    authConf: { ...authConf },
  };
}

const CONSUMERS: PluginRequest['consumersByKey'] = {
  'jwe-decrypt': {
    'user-key': consumer('jack', { key: 'user-key', secret: SECRET }),
    'chen-key': consumer('chen', {
      key: 'chen-key',
      secret: `${KEY.toString('base64url')}=`,
      is_base64_encoded: true,
    }),
    short: consumer('short', { key: 'short', secret: 'fetched, and of another length' }),
  },
};

function encrypt(content: string, kid: unknown = 'user-key', secret: string | Buffer = SECRET) {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', secret, iv);
  const ciphertext = Buffer.concat([cipher.update(content), cipher.final()]);
  const header = Buffer.from(JSON.stringify({ kid, alg: 'dir', enc: 'A256GCM' }));
  return [header, Buffer.alloc(0), iv, ciphertext, cipher.getAuthTag()]
    .map((part) => part.toString('base64url'))
    .join('.');
}

const run = (headers: Record<string, string>, raw: object = {}) =>
  runPlugin(plugin, conf(raw), { headers, consumersByKey: CONSUMERS });

describe('jwe-decrypt', () => {
  test.each(['', 'Bearer ', 'bearer '])('decrypts a token after "%s"', async (prefix) => {
    const { upstreamRequest, ctx } = await run({ Authorization: prefix + encrypt('hello') });
    expect(upstreamRequest?.headers.getAll('authorization')).toEqual(['hello']);
    expect(ctx.consumer).toBeUndefined();
  });

  test("decrypts what APISIX's own suite encrypted", async () => {
    const header = 'eyJraWQiOiJ1c2VyLWtleSIsImFsZyI6ImRpciIsImVuYyI6IkEyNTZHQ00ifQ';
    const token = `${header}..MTIzNDU2Nzg5MDEy.6JeRgm0.rNt131nG5wMvUD1KXbwLGA`;
    const { upstreamRequest } = await run({ Authorization: token });
    expect(upstreamRequest?.headers.get('authorization')).toBe('hello');
  });

  test('goes by the secret of the consumer that the token names', async () => {
    const token = encrypt('from chen', 'chen-key', KEY);
    const { upstreamRequest } = await run({ Authorization: token });
    expect(upstreamRequest?.headers.get('authorization')).toBe('from chen');
    expect((await run({ Authorization: encrypt('x', 'user-key', KEY) })).text).toBe(
      '{"message":"failed to decrypt JWE token"}\n',
    );
  });

  test('reads and writes the headers of the conf', async () => {
    const names = { header: 'X-Token', forward_header: 'X-Content' };
    const { upstreamRequest } = await run({ 'X-Token': encrypt('hello') }, names);
    expect(upstreamRequest?.headers.get('x-content')).toBe('hello');
    expect(upstreamRequest?.headers.has('x-token')).toBe(true);
  });

  test('makes no second header of a line break, and no other letters of UTF-8', async () => {
    const { upstreamRequest } = await run({ Authorization: encrypt('a\r\nX-Evil: ü') });
    const value = upstreamRequest?.headers.get('authorization');
    expect(value).toBe(`a%0D%0AX-Evil: ${Buffer.from('ü').toString('latin1')}`);
    expect(upstreamRequest?.headers.has('x-evil')).toBe(false);
  });

  test('answers 403 to a request without a token, unless it is not strict', async () => {
    const refused = await run({});
    expect(refused.status).toBe(403);
    expect(refused.text).toBe('{"message":"missing JWE token in request"}\n');
    expect((await run({}, { strict: false })).status).toBe(200);
    expect((await run({ Authorization: 'x' }, { strict: false })).status).toBe(400);
  });

  const [header, enckey, iv, ciphertext, tag] = encrypt('hello').split('.') as [
    ...[string, string, string, string, string],
  ];
  test.each([
    ['no parts', 'JWE token invalid', 'token'],
    ['four parts', 'JWE token invalid', [header, enckey, iv, ciphertext].join('.')],
    ['a header that is none', 'JWE token invalid', `invalid-${header}...${tag}.x`],
    ['a header that is no object', 'JWE token invalid', encrypt('x').replace(/^[^.]*/, 'MTI')],
    ['no kid', 'missing kid in JWE token', encrypt('hello', false)],
    ['a kid nobody has', 'invalid kid in JWE token', encrypt('hello', 'nobody')],
    ['a kid that is a number', 'invalid kid in JWE token', encrypt('hello', 12)],
    ['a short tag', 'failed to decrypt', [header, '', iv, ciphertext, tag.slice(0, 16)].join('.')],
    ['another tag', 'failed to decrypt', [header, '', iv, ciphertext, `A${tag}`].join('.')],
    ['an iv of another length', 'failed to decrypt', [header, '', 'AA', ciphertext, tag].join('.')],
    ['no ciphertext', 'failed to decrypt', [header, '', iv, '', tag].join('.')],
    ['six parts', 'failed to decrypt', `${encrypt('hello')}.x`],
    ['a consumer without a usable secret', 'failed to decrypt', encrypt('hello', 'short')],
  ])('answers 400 to a token with %s', async (_case, message, token) => {
    const { status, text, upstreamRequest } = await run({ Authorization: token });
    expect(status).toBe(400);
    expect(text).toContain(message);
    expect(upstreamRequest).toBeUndefined();
  });

  test.each([
    [{ key: 'k', secret: SECRET }, undefined],
    [{ key: 'k', secret: KEY.toString('base64url'), is_base64_encoded: true }, undefined],
    [{ key: 'k', secret: '$secret://vault/1/jwe/secret' }, undefined],
    [{ key: 'k', secret: `${SECRET}3` }, 'the secret length should be 32 chars'],
    [
      { key: 'k', secret: 'YWJj', is_base64_encoded: true },
      'the secret length after base64 decode should be 32 chars',
    ],
    [{ key: 12, secret: SECRET }, 'wrong type: expected string, got number'],
    [{ key: 'k' }, 'property "secret" is required'],
  ])('checks the conf of a consumer: %j', (raw, message) => {
    const check = () => {
      compileSchema(definition.consumerSchema!)(raw);
      definition.checkConsumer?.(raw);
    };
    if (message === undefined) check();
    else expect(check).toThrow(message);
  });
});
