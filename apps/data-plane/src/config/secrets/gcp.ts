import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { GOOGLE_TOKEN_URI, googleGrant, readGoogleToken } from '@polygate/model';
import type { GoogleAccount } from '@polygate/model';
import type { Resolution } from './resolve-references.ts';
import { hasTexts, memberOf } from './secret-conf.ts';
import { requestSecret } from './secret-request.ts';

/** `/secrets/gcp/<id>` of the store: one of `auth_config` and `auth_file`. */
export interface GcpConf {
  readonly auth_config?: GcpAccount;
  /** A service account's key file, on this machine. */
  readonly auth_file?: string;
  readonly ssl_verify?: boolean;
}

interface GcpAccount extends GoogleAccount {
  readonly project_id: string;
  readonly entries_uri?: string;
}

interface AccessToken {
  readonly authorization: string;
  /** Milliseconds since the epoch. */
  readonly goodUntilMs: number;
}

const ENTRIES_URI = 'https://secretmanager.googleapis.com/v1';
const SECRET_NAME = /^[\w-]{1,255}$/;
/** A token is renewed that long before its end. */
const RENEW_MS = 60_000;
const TOKENS_MAX = 8;
const FAILED = 'failed to retrieve data from gcp secret manager';

export function isGcpConf(value: unknown): value is GcpConf {
  if (!hasTexts(value, [], ['auth_file'])) return false;
  const { auth_config: account, auth_file: file } = value as GcpConf;
  return account === undefined ? file !== undefined : isAccount(account);
}

function isAccount(value: unknown): value is GcpAccount {
  const required = ['client_email', 'private_key', 'project_id'];
  return hasTexts(value, required, ['token_uri', 'entries_uri']);
}

/** Access tokens, which outlive single secrets. One for each service account. */
export class GcpSecrets {
  readonly #tokens = new Map<string, AccessToken>();

  /**
   * Reads `<secret>`, or `<secret>/<field>` of one that is JSON, in its latest version, of Google
   * Secret Manager. Never rejects. Source: apisix/secret/gcp.lua and utils/google-cloud-oauth.lua.
   */
  async read(conf: GcpConf, key: string, signal: AbortSignal): Promise<Resolution> {
    const slash = key.indexOf('/');
    const name = slash === -1 ? key : key.slice(0, slash);
    // a name goes into the path, so it must be one
    if (!SECRET_NAME.test(name)) return { reason: `can't find main key, key: ${key}` };
    try {
      const secret = await this.#fetch(conf, name, signal);
      if (slash === -1) return { value: secret };
      const field = key.slice(slash + 1);
      const value = memberOf(secret, field);
      return value === undefined ? { reason: `the gcp secret has no field ${field}` } : { value };
    } catch (error) {
      return { reason: `${FAILED}: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  async #fetch(conf: GcpConf, name: string, signal: AbortSignal): Promise<string> {
    const account = conf.auth_config ?? (await readAccount(conf.auth_file ?? ''));
    const verify = conf.ssl_verify ?? true;
    const authorization = await this.#authorize(account, verify, signal);
    const { entries_uri: base = ENTRIES_URI, project_id: project } = account;
    const path = `projects/${encodeURIComponent(project)}/secrets/${encodeURIComponent(name)}`;
    const { status, text } = await requestSecret({
      method: 'GET',
      url: new URL(`${base}/${path}/versions/latest:access`),
      headers: { 'content-type': 'application/json', authorization },
      verify,
      signal,
    });
    if (status !== 200) throw new Error(`invalid status code ${status}`);
    const data = memberOf(JSON.stringify(memberOf(text, 'payload') ?? null), 'data');
    if (typeof data !== 'string') throw new Error('invalid payload');
    return Buffer.from(data, 'base64').toString();
  }

  async #authorize(account: GcpAccount, verify: boolean, signal: AbortSignal): Promise<string> {
    const { client_email: email, project_id: project, private_key: privateKey } = account;
    // the key, too: one that was replaced must not live on in its token
    const id = createHash('sha256').update([email, project, privateKey].join('\n')).digest('hex');
    const known = this.#tokens.get(id);
    if (known !== undefined && Date.now() < known.goodUntilMs) return known.authorization;
    const token = await fetchToken(account, verify, signal);
    this.#tokens.delete(id);
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size >= TOKENS_MAX && oldest !== undefined) this.#tokens.delete(oldest);
    this.#tokens.set(id, token);
    return token.authorization;
  }
}

async function readAccount(file: string): Promise<GcpAccount> {
  let account: unknown;
  try {
    account = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    // what the file holds is secret: a parser's message would show some of it
    const { code = 'no JSON' } = error as NodeJS.ErrnoException;
    throw new Error(`failed to read configuration, file: ${file}, err: ${code}`, { cause: error });
  }
  if (!isAccount(account)) throw new Error(`config parse failure, file: ${file}`);
  return account;
}

async function fetchToken(
  account: GcpAccount,
  verify: boolean,
  signal: AbortSignal,
): Promise<AccessToken> {
  const { status, text } = await requestSecret({
    method: 'POST',
    url: new URL(account.token_uri ?? GOOGLE_TOKEN_URI),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: googleGrant(account),
    verify,
    signal,
  });
  const token = status === 200 ? readGoogleToken(text) : undefined;
  if (token === undefined) throw new Error('failed to get google oauth token');
  const { authorization, lifeSeconds } = token;
  return { authorization, goodUntilMs: Date.now() + lifeSeconds * 1000 - RENEW_MS };
}
