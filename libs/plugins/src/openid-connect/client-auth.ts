import { createHmac, createPrivateKey, randomUUID, sign, type KeyObject } from 'node:crypto';
import { HeaderList } from '@polygate/plugin-sdk';
import type { OpenidConnectConf } from './conf.ts';
import { OpenidError } from './provider.ts';

export interface ClientForm {
  readonly headers: HeaderList;
  readonly fields: URLSearchParams;
}

/** A form for an endpoint of the provider, with what proves who sends it. Throws an OpenidError. */
export function clientForm(
  conf: OpenidConnectConf,
  endpoint: { readonly url: string; readonly method: string },
  values: Readonly<Record<string, string | undefined>>,
): ClientForm {
  const headers = new HeaderList();
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) fields.set(name, value);
  }
  const { client_id: id, client_secret: secret } = conf;
  switch (endpoint.method) {
    case 'private_key_jwt':
    case 'client_secret_jwt':
      fields.set('client_id', id);
      fields.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      fields.set('client_assertion', assertion(conf, endpoint));
      break;
    case 'client_secret_post':
      fields.set('client_id', id);
      if (secret !== undefined) fields.set('client_secret', secret);
      break;
    default:
      if (secret === undefined) fields.set('client_id', id);
      else headers.set('Authorization', `Basic ${basicCredentials(id, secret)}`);
  }
  return { headers, fields };
}

/** RFC 6749, 2.3.1: both are encoded as in a form first. */
function basicCredentials(id: string, secret: string): string {
  return Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64');
}

/** RFC 7523. */
function assertion(
  conf: OpenidConnectConf,
  { url, method }: { readonly url: string; readonly method: string },
): string {
  const isSecret = method === 'client_secret_jwt';
  const alg = conf.client_jwt_assertion_alg ?? (isSecret ? 'HS256' : 'RS256');
  const keyId = conf.client_rsa_private_key_id;
  const header = { typ: 'JWT', alg, ...(!isSecret && keyId !== undefined && { kid: keyId }) };
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = {
    iss: conf.client_id,
    sub: conf.client_id,
    aud: conf.client_jwt_assertion_audience ?? url,
    jti: randomUUID(),
    iat: nowSeconds,
    exp: nowSeconds + conf.client_jwt_assertion_expires_in,
  };
  const input = `${encode(header)}.${encode(claims)}`;
  const hash = `sha${alg.slice(2)}`;
  if (isSecret) {
    if (conf.client_secret === undefined) throw new OpenidError('client_secret_jwt has no secret');
    return `${input}.${createHmac(hash, conf.client_secret).update(input).digest('base64url')}`;
  }
  const options = { key: assertionKey(conf), dsaEncoding: 'ieee-p1363' } as const;
  return `${input}.${sign(hash, Buffer.from(input), options).toString('base64url')}`;
}

const keys = new WeakMap<OpenidConnectConf, KeyObject>();

function assertionKey(conf: OpenidConnectConf): KeyObject {
  const known = keys.get(conf);
  if (known !== undefined) return known;
  try {
    const key = createPrivateKey(conf.client_rsa_private_key ?? '');
    keys.set(conf, key);
    return key;
  } catch (cause) {
    throw new OpenidError('client_rsa_private_key is not a valid key', { cause });
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
