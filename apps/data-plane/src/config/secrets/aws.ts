import { signAwsRequest } from './aws-signature.ts';
import type { Variables } from './environment-reference.ts';
import type { Resolution } from './resolve-references.ts';
import { hasTexts, memberOf, plainText } from './secret-conf.ts';
import { requestSecret } from './secret-request.ts';

/** `/secrets/aws/<id>` of the store. */
export interface AwsConf {
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly session_token?: string;
  readonly region?: string;
  readonly endpoint_url?: string;
}

/** Names are tried from the longest on: so many requests for one key at most. */
const NAMES_MAX = 10;
const REGION = /^[a-z0-9-]{1,64}$/;
const FAILED = 'failed to retrieve data from aws secret manager';

export function isAwsConf(value: unknown): value is AwsConf {
  const optional = ['session_token', 'region', 'endpoint_url'];
  return hasTexts(value, ['access_key_id', 'secret_access_key'], optional);
}

/**
 * Reads a secret of AWS Secrets Manager, or a field of one that is JSON. Names may have slashes, so
 * the longest is tried first: of `a/b/c` the secret `a/b/c`, then `a/b` with field `c`, then `a` with
 * field `b/c`. Never rejects. Source: apisix/secret/aws.lua.
 */
export async function readAws(
  conf: AwsConf,
  key: string,
  { variables, signal }: { readonly variables: Variables; readonly signal: AbortSignal },
): Promise<Resolution> {
  if (key === '' || key.startsWith('/')) return { reason: `can't find main key, key: ${key}` };
  let end = key.length;
  let reason = '';
  for (let tries = 0; tries < NAMES_MAX && end > 0; tries++) {
    try {
      const answer = await getSecretValue(conf, key.slice(0, end), { variables, signal });
      if ('secret' in answer) return fieldOf(answer.secret, key.slice(end + 1));
      ({ reason } = answer);
      if (!answer.isUnknown) break;
    } catch (error) {
      return { reason: `${FAILED}: ${error instanceof Error ? error.message : String(error)}` };
    }
    end = key.lastIndexOf('/', end - 1);
  }
  return { reason: `${FAILED}: ${reason}` };
}

type Answered =
  | { readonly secret: unknown }
  /** `isUnknown`: there is no secret of this name. */
  | { readonly reason: string; readonly isUnknown: boolean };

async function getSecretValue(
  conf: AwsConf,
  name: string,
  { variables, signal }: { readonly variables: Variables; readonly signal: AbortSignal },
): Promise<Answered> {
  const { region = 'us-east-1', endpoint_url: written, session_token: token } = conf;
  if (!REGION.test(region)) throw new Error(`invalid region ${region}`);
  const url = new URL(written ?? `https://secretsmanager.${region}.amazonaws.com`);
  // as there: of an endpoint only scheme, host and port matter
  url.pathname = '/';
  url.search = '';
  const body = JSON.stringify({ SecretId: name, VersionStage: 'AWSCURRENT' });
  const headers = signAwsRequest(
    {
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'secretsmanager.GetSecretValue',
      },
      body,
      region,
      service: 'secretsmanager',
      at: new Date(),
    },
    {
      accessKeyId: plainText(conf.access_key_id, variables),
      secretAccessKey: plainText(conf.secret_access_key, variables),
      sessionToken: token === undefined ? undefined : plainText(token, variables),
    },
  );
  const { status, text } = await requestSecret({ method: 'POST', url, headers, body, signal });
  if (status === 200) return { secret: memberOf(text, 'SecretString') };
  const type = memberOf(text, '__type');
  const isUnknown = typeof type === 'string' && type.includes('ResourceNotFoundException');
  const why = typeof type === 'string' ? `, ${type.slice(0, 200)}` : '';
  return { reason: `invalid status code ${status}${why}`, isUnknown };
}

function fieldOf(secret: unknown, field: string): Resolution {
  if (typeof secret !== 'string') return { reason: `${FAILED}: the secret is no text` };
  if (field === '') return { value: secret };
  const value = memberOf(secret, field);
  return value === undefined ? { reason: `the aws secret has no field ${field}` } : { value };
}
