import { generateKeyPairSync, verify } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GcpSecrets, isGcpConf } from './gcp.ts';
import type { GcpConf } from './gcp.ts';
import { startSecretServer } from './secret-server.fixture.ts';
import type { Asked, SecretServer } from './secret-server.fixture.ts';

const pair = (): { publicKey: string; privateKey: string } =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
const { publicKey, privateKey } = pair();
const { signal } = new AbortController();

let server: SecretServer;
let expiresIn = 3600;
let tokens = 0;

beforeEach(async () => {
  tokens = 0;
  expiresIn = 3600;
  server = await startSecretServer((asked) =>
    asked.url === '/token' ? grant(asked) : access(asked),
  );
});
afterEach(() => server.close());

/** As Google's token endpoint: the assertion has to be signed by the account, for it, and of now. */
function grant({ body }: Asked): { status: number; body: unknown } {
  const form = new URLSearchParams(body);
  const [head = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.');
  const decode = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  const { iss, aud, scope, iat, exp } = decode(claims);
  const now = Date.now() / 1000;
  const isGood =
    form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
    decode(head)['alg'] === 'RS256' &&
    iss === 'account@project.test' &&
    aud === `${server.uri}/token` &&
    typeof scope === 'string' &&
    scope.split(' ').includes('https://www.googleapis.com/auth/cloud-platform') &&
    Number(iat) <= now + 1 &&
    Number(exp) > now &&
    verify(
      'RSA-SHA256',
      Buffer.from(`${head}.${claims}`),
      publicKey,
      Buffer.from(signature, 'base64url'),
    );
  if (!isGood) return { status: 400, body: { error: 'invalid_grant' } };
  const token = `token-${++tokens}`;
  return {
    status: 200,
    body: { access_token: token, token_type: 'Bearer', expires_in: expiresIn },
  };
}

function access({ url, headers }: Asked): { status: number; body: unknown } {
  if (headers.authorization !== `Bearer token-${tokens}`) return { status: 401, body: {} };
  const secrets: Record<string, string> = {
    '/v1/projects/p/secrets/jack/versions/latest:access': '{"key":"välue"}',
    '/v1/projects/p/secrets/plain/versions/latest:access': 'text',
  };
  const found = secrets[url];
  if (found === undefined) return { status: 404, body: {} };
  return { status: 200, body: { payload: { data: Buffer.from(found).toString('base64') } } };
}

const account = (): NonNullable<GcpConf['auth_config']> => ({
  client_email: 'account@project.test',
  private_key: privateKey,
  project_id: 'p',
  token_uri: `${server.uri}/token`,
  entries_uri: `${server.uri}/v1`,
});

test('reads a secret, and a field of one that is JSON, with one token for both', async () => {
  const secrets = new GcpSecrets();
  const conf = { auth_config: account() };
  expect(await secrets.read(conf, 'plain', signal)).toEqual({ value: 'text' });
  expect(await secrets.read(conf, 'jack/key', signal)).toEqual({ value: 'välue' });
  expect(await secrets.read(conf, 'jack', signal)).toEqual({ value: '{"key":"välue"}' });
  expect(tokens).toBe(1);
});

test('fetches another token when the one it has ends soon, and for another key', async () => {
  const secrets = new GcpSecrets();
  expiresIn = 60;
  await secrets.read({ auth_config: account() }, 'plain', signal);
  await secrets.read({ auth_config: account() }, 'plain', signal);
  expect(tokens).toBe(2);
  const stolen = { ...account(), private_key: pair().privateKey };
  expect(await secrets.read({ auth_config: stolen }, 'plain', signal)).toEqual({
    reason: expect.stringContaining('failed to get google oauth token'),
  });
});

test('takes the account out of a key file, and shows nothing of a broken one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gcp-'));
  const file = join(folder, 'account.json');
  await writeFile(file, JSON.stringify(account()));
  const secrets = new GcpSecrets();
  expect(await secrets.read({ auth_file: file }, 'plain', signal)).toEqual({ value: 'text' });
  await writeFile(file, 'private: very-secret');
  const broken = await secrets.read({ auth_file: file }, 'plain', signal);
  expect(broken).toEqual({ reason: expect.stringContaining(file) });
  expect(JSON.stringify(broken)).not.toContain('very-secret');
  await rm(folder, { recursive: true });
  expect(await secrets.read({ auth_file: file }, 'plain', signal)).toEqual({
    reason: expect.stringContaining('ENOENT'),
  });
});

test.each([
  ['/key', "can't find main key"],
  ['nobody', 'invalid status code 404'],
  ['../plain', "can't find main key"],
  ['jack/none', 'no field none'],
])('%s has a reason instead', async (key, why) => {
  expect(await new GcpSecrets().read({ auth_config: account() }, key, signal)).toEqual({
    reason: expect.stringContaining(why),
  });
});

test('isGcpConf() wants a whole account, or a file', () => {
  expect(isGcpConf({ auth_file: 'x', ssl_verify: false })).toBe(true);
  expect(isGcpConf({})).toBe(false);
  expect(isGcpConf({ auth_config: { client_email: 'a' } })).toBe(false);
});
