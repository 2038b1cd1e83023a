import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { KeyObject, webcrypto } from 'node:crypto';
import { compileSchema, ConfigError, isSecretReference } from '@polygate/model';
import type { DpopConf, OpenidConnectConf } from './conf.ts';

/** Names that lua-resty-openidc reads, and the field that has to be used for each. */
const RESERVED: Readonly<Record<string, string>> = {
  use_par: 'par.enabled',
  pushed_authorization_request_endpoint: 'par.endpoint',
  pushed_authorization_request_endpoint_auth_method: 'par.endpoint_auth_method',
  use_dpop: 'dpop.enabled',
  dpop_signing_alg: 'dpop.signing_alg',
  dpop_private_key: 'dpop.private_key',
  dpop_public_jwk: 'dpop.public_jwk',
};

/** What the schema cannot say. Source: apisix/plugins/openid-connect.lua, check_schema. */
export function checkConf(conf: OpenidConnectConf): void {
  checkCredentials(conf);
  checkClaimSchema(conf);
  for (const [name, owner] of Object.entries(RESERVED)) {
    if (Object.hasOwn(conf, name))
      refuse(`property "${name}" is not allowed, use "${owner}" instead`);
  }
  checkDpop(conf.dpop);
  checkAssertionAlgorithm(conf);
  checkPar(conf);
}

/** The words of what APISIX looks at before the schema. */
export function restateConf(conf: Readonly<Record<string, unknown>>, schemaError: string): string {
  try {
    checkCredentials(conf);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return schemaError;
}

function refuse(message: string): never {
  throw new ConfigError(message);
}

function checkCredentials(conf: Partial<OpenidConnectConf>): void {
  if (conf.bearer_only !== true && conf.session === undefined) {
    refuse('property "session.secret" is required when "bearer_only" is false');
  }
  // each exemption holds for the flow that it applies to, and not for the other
  const isOptional =
    conf.bearer_only === true
      ? conf.public_key !== undefined ||
        conf.use_jwks === true ||
        conf.introspection_endpoint_auth_method === 'private_key_jwt'
      : conf.token_endpoint_auth_method === 'private_key_jwt' || conf.use_pkce === true;
  if (!isOptional && conf.client_secret === undefined) {
    refuse('property "client_secret" is required');
  }
}

function checkClaimSchema({ claim_schema: schema }: OpenidConnectConf): void {
  if (schema === undefined) return;
  try {
    compileSchema(schema);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // the words of api7/jsonschema for the one mistake that is common
    const type = /^invalid schema: type is "(.*)"$/.exec(error.message)?.[1];
    const reason = type === undefined ? error.message : `schema: invalid JSON type: ${type}`;
    refuse(`check claim_schema failed: ${reason}`);
  }
}

/** What makes up a public key (RFC 7638), but for `kty`. */
export const JWK_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'x', 'y'],
  RSA: ['e', 'n'],
};

/** The key that an algorithm signs with. */
interface KeyKind {
  readonly kty: string;
  readonly crv?: string;
}

const DPOP_KEYS: Readonly<Record<string, KeyKind>> = {
  ES256: { kty: 'EC', crv: 'P-256' },
  RS256: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
};

function checkDpop(dpop: DpopConf | undefined): void {
  const jwk = dpop?.public_jwk;
  // key material may be there before DPoP is turned on
  if (dpop?.enabled !== true || jwk === undefined) return;
  const field = 'dpop.public_jwk';
  const kty = String(jwk['kty']);
  const members = JWK_MEMBERS[kty];
  if (members === undefined) {
    return refuse(`property "${field}" validation failed: kty "${kty}" is not supported`);
  }
  for (const member of members) {
    const value = jwk[member];
    if (value === undefined) {
      const all = members.join(', ');
      refuse(`property "${field}" validation failed: kty "${kty}" requires ${all}`);
    }
    if (typeof value !== 'string' || value === '') {
      refuse(`property "${field}" validation failed: "${member}" must be a non-empty string`);
    }
  }
  checkKind(`property "dpop.signing_alg" "${dpop.signing_alg}"`, field, {
    wanted: DPOP_KEYS[dpop.signing_alg],
    got: jwk,
    article: '',
  });
  if (dpop.private_key === undefined || isSecretReference(dpop.private_key)) return;
  const derived = publicJwkOf(dpop.private_key, 'dpop.private_key');
  for (const member of ['kty', ...members] as const) {
    const value = derived[member as keyof webcrypto.JsonWebKey];
    if (value === jwk[member]) continue;
    refuse(
      `property "${field}" is not the public key of "dpop.private_key": ` +
        `${member} is "${typeof value === 'string' ? value : 'missing'}"`,
    );
  }
}

function checkKind(
  subject: string,
  field: string,
  kinds: { wanted: KeyKind | undefined; got: object; article: string },
): void {
  const { wanted, article } = kinds;
  const got = kinds.got as { kty?: unknown; crv?: unknown };
  if (wanted === undefined) return;
  if (wanted.kty !== got.kty) refuse(`${subject} requires an ${wanted.kty} "${field}"`);
  if (wanted.crv === undefined || wanted.crv === got.crv) return;
  const curve = article === '' ? `"${field}" crv` : `${article} "${field}" on curve`;
  refuse(`${subject} requires ${curve} "${wanted.crv}", got "${String(got.crv)}"`);
}

function publicJwkOf(pem: string, field: string): webcrypto.JsonWebKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    if (isPublicKey(pem)) refuse(`property "${field}" has no private key in it`);
    refuse(`property "${field}" is not a valid key: ${(error as Error).message}`);
  }
  return createPublicKey(key).export({ format: 'jwk' });
}

function isPublicKey(pem: string): boolean {
  try {
    createPublicKey(pem);
    return true;
  } catch {
    // neither: the caller has the error to tell of
    return false;
  }
}

const ASSERTION_KEYS: Readonly<Record<string, KeyKind>> = {
  RS256: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES512: { kty: 'EC', crv: 'P-521' },
};

/** The endpoints that a conf can reach, with how the client authenticates there. */
function reachableMethods(conf: OpenidConnectConf): { field: string; method: string }[] {
  const found: { field: string; method: string }[] = [];
  const verifiesLocally = conf.public_key !== undefined || conf.use_jwks;
  if (!verifiesLocally && (conf.bearer_only || conf.introspection_endpoint !== undefined)) {
    const field = 'introspection_endpoint_auth_method';
    found.push({ field, method: conf[field] });
  }
  if (conf.bearer_only) return found;
  const method = conf.token_endpoint_auth_method;
  if (hasCredential(conf, method)) found.push({ field: 'token_endpoint_auth_method', method });
  if (conf.par?.enabled === true && conf.par.endpoint_auth_method !== undefined) {
    found.push({ field: 'par.endpoint_auth_method', method: conf.par.endpoint_auth_method });
  }
  return found;
}

const CREDENTIALS: Readonly<Record<string, 'client_rsa_private_key' | 'client_secret'>> = {
  private_key_jwt: 'client_rsa_private_key',
  client_secret_jwt: 'client_secret',
};

function hasCredential(conf: OpenidConnectConf, method: string): boolean {
  const credential = CREDENTIALS[method];
  return credential === undefined || conf[credential] !== undefined;
}

function checkAssertionAlgorithm(conf: OpenidConnectConf): void {
  const alg = conf.client_jwt_assertion_alg;
  if (alg === undefined) return;
  const reachable = reachableMethods(conf);
  const asymmetric = reachable.find(({ method }) => method === 'private_key_jwt')?.field;
  const symmetric = reachable.find(({ method }) => method === 'client_secret_jwt')?.field;
  const subject = 'property "client_jwt_assertion_alg"';
  if (asymmetric !== undefined && symmetric !== undefined) {
    refuse(
      `${subject} is a single algorithm, but "${asymmetric}" selects private_key_jwt ` +
        `and "${symmetric}" selects client_secret_jwt`,
    );
  }
  const isSymmetric = alg.startsWith('HS');
  if (asymmetric !== undefined && isSymmetric) {
    const use = `private_key_jwt selected by "${asymmetric}"`;
    refuse(`${subject} "${alg}" is symmetric and cannot be used with the ${use}`);
  }
  if (symmetric !== undefined && !isSymmetric) {
    const use = `client_secret_jwt selected by "${symmetric}"`;
    refuse(`${subject} "${alg}" is asymmetric and cannot be used with the ${use}`);
  }
  const pem = conf.client_rsa_private_key;
  if (asymmetric === undefined || pem === undefined || isSecretReference(pem)) return;
  const field = 'client_rsa_private_key';
  const got = publicJwkOf(pem, field);
  checkKind(`${subject} "${alg}"`, field, { wanted: ASSERTION_KEYS[alg], got, article: 'a' });
}

function checkPar(conf: OpenidConnectConf): void {
  const method = conf.par?.endpoint_auth_method;
  if (conf.bearer_only || conf.par?.enabled !== true || method === undefined) return;
  if (hasCredential(conf, method)) return;
  refuse(
    `property "par.endpoint_auth_method" "${method}" requires "${CREDENTIALS[method]}" ` +
      'when "par.enabled" is true',
  );
}
