import { createHash, createHmac } from 'node:crypto';
import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './hmac-auth.ts';
import { parseHttpTime } from './http-time.ts';

const conf = (raw: object = {}) => validConf(plugin.definition, raw);
const jack: ConsumerMatch = {
  username: 'jack',
  groupId: undefined,
  labels: undefined,
  customId: undefined,
  credentialId: undefined,
  authConf: { key_id: 'my-key', secret_key: 'my-secret' },
};
const known = {
  consumersByKey: { 'hmac-auth': { 'my-key': jack } },
  consumersByName: { nobody: { ...jack, username: 'nobody' } },
};

interface Signing {
  readonly lines: readonly string[];
  readonly headers: string;
  readonly algorithm?: string;
  readonly secret?: string;
  readonly keyId?: string;
}

function authorization({ lines, headers, ...rest }: Signing): string {
  const { algorithm = 'hmac-sha256', secret = 'my-secret', keyId = 'my-key' } = rest;
  const hash = algorithm.replace('hmac-', '');
  const text = [keyId, ...lines].map((line) => `${line}\n`).join('');
  const signature = createHmac(hash, secret).update(text).digest('base64');
  return (
    `Signature keyId="${keyId}",algorithm="${algorithm}",` +
    `headers="${headers}",signature="${signature}"`
  );
}

const date = (offsetSeconds = 0) => new Date(Date.now() + offsetSeconds * 1000).toUTCString();

function signedRequest(signing: Partial<Signing> = {}, more: PluginRequest = {}): PluginRequest {
  const now = date();
  const lines = ['GET /hello', `date: ${now}`];
  const headers = '@request-target date';
  return {
    ...known,
    ...more,
    headers: {
      Date: now,
      Authorization: authorization({ lines, headers, ...signing }),
      ...more.headers,
    },
  };
}

describe('hmac-auth', () => {
  test.each(['hmac-sha1', 'hmac-sha256', 'hmac-sha512'])('verifies %s', async (algorithm) => {
    const run = await runPlugin(plugin, conf(), signedRequest({ algorithm }));
    expect(run.ctx.consumer?.username).toBe('jack');
    expect(run.upstreamRequest?.headers.has('authorization')).toBe(true);
  });

  test('verifies headers in the spelling and order of the client', async () => {
    const now = date();
    const request = signedRequest(
      {
        lines: [`date: ${now}`, 'X-Custom: one', 'GET /hello?a=1'],
        headers: 'date X-Custom @request-target',
      },
      {
        target: '/hello?a=1',
        headers: { Date: now, 'x-custom': 'one' },
        vars: { request_uri: '/hello?a=1' },
      },
    );
    const strict = conf({ signed_headers: ['date', 'X-Custom'] });
    expect((await runPlugin(plugin, strict, request)).status).toBe(200);
  });

  test('does not let the date, the path or a signed header be changed', async () => {
    const replayed = signedRequest({}, { headers: { Date: date(-1) } });
    const elsewhere = signedRequest({}, { target: '/other' });
    const method = signedRequest({}, { method: 'POST' });
    for (const request of [replayed, elsewhere, method]) {
      const run = await runPlugin(plugin, conf(), request);
      expect(run.status).toBe(401);
      expect(run.log).toEqual(["warn: client request can't be validated: Invalid signature"]);
    }
  });

  test.each([
    [{ headers: {} }, 'missing Authorization header'],
    [
      { headers: { Authorization: 'Basic x' } },
      "Authorization header does not start with 'Signature'",
    ],
  ])('tells the client when there is no signature at all: %j', async (request, reason) => {
    const run = await runPlugin(plugin, conf({ realm: 'zone' }), { ...known, ...request });
    expect(run.status).toBe(401);
    expect(run.text).toBe(`{"message":"client request can't be validated: ${reason}"}\n`);
    expect(run.headers.get('www-authenticate')).toBe('hmac realm="zone"');
  });

  test.each([
    ['Signature keyId="my-key"', 'keyId or signature missing'],
    ['Signature keyId="my-key",signature="x"', 'algorithm missing'],
    ['Signature keyId="other",algorithm="hmac-sha256",signature="x"', 'Invalid key_id'],
    ['Signature keyId="my-key",algorithm="hmac-md5",signature="x"', 'Invalid algorithm'],
    ['Signature keyId="my-key",algorithm="toString",signature="x"', 'Invalid algorithm'],
    [
      'Signature keyId="my-key",algorithm="hmac-sha256",signature="x"',
      'expected header "date" missing in signing',
    ],
    [
      'Signature keyId="my-key",algorithm="hmac-sha256",headers="date",signature="*"',
      'Invalid signature',
    ],
  ])('keeps the reason to itself: %s', async (value, reason) => {
    const headers = { Authorization: value, Date: date() };
    const run = await runPlugin(plugin, conf(), { ...known, headers });
    expect(run.text).toBe('{"message":"client request can\'t be validated"}\n');
    expect(run.log).toEqual([`warn: client request can't be validated: ${reason}`]);
  });

  test('refuses an algorithm that the route does not allow', async () => {
    const strict = conf({ allowed_algorithms: ['hmac-sha512'] });
    const run = await runPlugin(plugin, strict, signedRequest());
    expect(run.log[0]).toContain('Invalid algorithm');
  });

  test.each([
    [undefined, 'Date header missing. failed to validate clock skew'],
    ['yesterday', 'Invalid GMT format time'],
    [date(-301), 'Clock skew exceeded'],
    [date(302), 'Clock skew exceeded'],
  ])('refuses the date %s', async (value, reason) => {
    const lines = ['GET /hello', `date: ${value}`];
    const headers = {
      Authorization: authorization({ lines, headers: '@request-target date' }),
      ...(value !== undefined && { Date: value }),
    };
    const run = await runPlugin(plugin, conf(), { ...known, headers });
    expect(run.log).toEqual([`warn: client request can't be validated: ${reason}`]);
  });

  test('needs no signed header when the route says so', async () => {
    const request = signedRequest({ lines: ['GET /hello'], headers: '@request-target' });
    expect((await runPlugin(plugin, conf({ signed_headers: [] }), request)).status).toBe(200);
    expect((await runPlugin(plugin, conf(), request)).status).toBe(401);
  });

  test('compares the digest with the body, after the signature', async () => {
    const checking = conf({ validate_request_body: true });
    const digest = `SHA-256=${createHash('sha256').update('body').digest('base64')}`;
    const withBody = (headers: object, body = 'body') =>
      signedRequest({}, { body, headers: { ...headers } });
    const right = await runPlugin(plugin, checking, withBody({ Digest: digest }));
    expect(right.ctx.consumer?.username).toBe('jack');
    expect(right.upstreamRequest?.body?.toString()).toBe('body');
    for (const request of [withBody({}), withBody({ Digest: digest }, 'bodi')]) {
      const run = await runPlugin(plugin, checking, request);
      expect(run.status).toBe(401);
      expect(run.log).toEqual(["warn: client request can't be validated: Invalid digest"]);
    }
  });

  test('answers 413 to a body that is too large to be looked at', async () => {
    const small = conf({ validate_request_body: true, max_req_body_size: 3 });
    const headers = { Digest: 'SHA-256=x' };
    const run = await runPlugin(plugin, small, signedRequest({}, { body: 'body', headers }));
    expect(run.status).toBe(413);
    expect(run.text).toContain('is greater than the maximum size 3 allowed');
  });

  test('hides the signature and falls back to the anonymous consumer', async () => {
    const falling = conf({ anonymous_consumer: 'nobody', hide_credentials: true });
    const run = await runPlugin(plugin, falling, signedRequest({ secret: 'wrong' }));
    expect(run.ctx.consumer?.username).toBe('nobody');
    expect(run.upstreamRequest?.headers.has('authorization')).toBe(false);
  });
});

describe('parseHttpTime', () => {
  test.each([
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
  ])('reads %s', (text) => {
    expect(parseHttpTime(text)).toBe(784_111_777);
  });

  test.each(['', 'Sun, 31 Jun 1994 08:49:37 GMT', 'Sun, 06 Foo 1994 08:49:37 GMT', '784111777'])(
    'takes %j for no time',
    (text) => {
      expect(parseHttpTime(text)).toBeUndefined();
    },
  );
});
