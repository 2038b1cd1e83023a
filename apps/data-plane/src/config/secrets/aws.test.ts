import { createHash, createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signAwsRequest } from './aws-signature.ts';
import { isAwsConf, readAws } from './aws.ts';
import { startSecretServer } from './secret-server.fixture.ts';
import type { Asked, SecretServer } from './secret-server.fixture.ts';

const KEY = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const { signal } = new AbortController();

describe('signAwsRequest()', () => {
  // AWS's own test suite of the signature
  test.each([
    ['GET', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['POST', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
  ])('signs the %s of the published vectors', (method, signature) => {
    const headers = signAwsRequest(
      {
        method,
        url: new URL('https://example.amazonaws.com/'),
        headers: {},
        body: '',
        region: 'us-east-1',
        service: 'service',
        at: new Date('2015-08-30T12:36:00Z'),
      },
      { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: KEY, sessionToken: undefined },
    );
    expect(headers['authorization']).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ' +
        `SignedHeaders=host;x-amz-date, Signature=${signature}`,
    );
  });
});

/** As AWS checks it: from what arrived, not from what we meant to send. */
function isSigned({ method, url, headers, body }: Asked): boolean {
  const [, credential = '', names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=([\w;-]+), Signature=(\w{64})$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  const match = /^AKID\/(\d{8})\/([\w-]+)\/secretsmanager\/aws4_request$/.exec(credential);
  if (match === null) return false;
  const [, date = '', region = ''] = match;
  const must = ['host', 'x-amz-date', 'x-amz-target'];
  if (!must.every((name) => names.split(';').includes(name))) return false;
  const lines = names.split(';').map((name) => `${name}:${String(headers[name])}\n`);
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
  const canonical = `${method}\n${url}\n\n${lines.join('')}\n${names}\n${hash(body)}`;
  const scope = `${date}/${region}/secretsmanager/aws4_request`;
  const time = String(headers['x-amz-date']);
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash(canonical)}`;
  const mac = (key: Buffer | string, part: string): Buffer =>
    createHmac('sha256', key).update(part).digest();
  const signing = mac(mac(mac(mac(`AWS4${KEY}`, date), region), 'secretsmanager'), 'aws4_request');
  const isNow = time.startsWith(date) && /^\d{8}T\d{6}Z$/.test(time);
  return isNow && mac(signing, text).toString('hex') === signature;
}

describe('readAws()', () => {
  let server: SecretServer;
  const secrets = new Map([
    ['jack', '{"key":"value","deep/name":"slashed","port":7,"nothing":null}'],
    ['team/jack', '{"key":"of the team"}'],
    ['plain', 'no JSON'],
  ]);

  beforeEach(async () => {
    server = await startSecretServer((asked) => {
      if (!isSigned(asked)) {
        return { status: 400, body: { __type: 'InvalidSignatureException', message: 'x' } };
      }
      const { SecretId: name, VersionStage: stage } = JSON.parse(asked.body) as {
        SecretId: string;
        VersionStage: string;
      };
      const found = stage === 'AWSCURRENT' ? secrets.get(name) : undefined;
      return found === undefined
        ? { status: 400, body: { __type: 'ResourceNotFoundException' } }
        : { status: 200, body: { Name: name, SecretString: found } };
    });
  });
  afterEach(() => server.close());

  const variables = new Map([['AWS_KEY', KEY]]);
  const read = (key: string, more: object = {}): ReturnType<typeof readAws> => {
    const conf = {
      access_key_id: 'AKID',
      secret_access_key: KEY,
      endpoint_url: server.uri,
      ...more,
    };
    return readAws(conf, key, { variables, signal });
  };

  test.each([
    ['plain', 'no JSON'],
    ['jack/key', 'value'],
    ['jack/port', 7],
    ['jack/deep/name', 'slashed'],
    ['team/jack/key', 'of the team'],
    ['team/jack', '{"key":"of the team"}'],
  ])('%s is %j', async (key, value) => {
    expect(await read(key)).toEqual({ value });
  });

  test.each([
    ['', "can't find main key"],
    ['/jack', "can't find main key"],
    ['nobody/key', 'ResourceNotFoundException'],
    ['jack/none', 'no field none'],
    ['jack/nothing', 'no field nothing'],
    ['plain/key', 'no field key'],
    [`${'a/'.repeat(50)}b`, 'ResourceNotFoundException'],
  ])('%s has a reason instead', async (key, why) => {
    expect(await read(key)).toEqual({ reason: expect.stringContaining(why) });
    expect(server.asked.length).toBeLessThanOrEqual(10);
  });

  test('takes keys from the environment, signs the session token and any region', async () => {
    const more = {
      secret_access_key: '$ENV://AWS_KEY',
      session_token: 'session',
      region: 'eu-west-1',
      endpoint_url: `${server.uri}/some/path`,
    };
    expect(await read('plain', more)).toEqual({ value: 'no JSON' });
    const { headers } = server.asked[0] as Asked;
    expect(headers['x-amz-security-token']).toBe('session');
    expect(headers.authorization).toContain('x-amz-security-token');
    expect(headers.authorization).toContain('/eu-west-1/');
  });

  test('stops at the first refusal, and tells no key', async () => {
    const refused = await read('team/jack/key', { secret_access_key: 'wrong-key' });
    expect(server.asked).toHaveLength(1);
    expect(refused).toEqual({ reason: expect.stringContaining('InvalidSignatureException') });
    expect(JSON.stringify(refused)).not.toContain('wrong-key');
    expect(await read('plain', { region: 'a.evil.test/' })).toHaveProperty('reason');
    await server.close();
    expect(await read('plain')).toEqual({ reason: expect.stringContaining('ECONNREFUSED') });
  });
});

test('isAwsConf() wants both keys', () => {
  expect(isAwsConf({ access_key_id: 'a', secret_access_key: 'b' })).toBe(true);
  expect(isAwsConf({ access_key_id: 'a' })).toBe(false);
  expect(isAwsConf({ access_key_id: 'a', secret_access_key: 'b', region: 7 })).toBe(false);
});
