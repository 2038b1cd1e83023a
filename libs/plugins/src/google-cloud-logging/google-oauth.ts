import { sign } from 'node:crypto';
import { endpointUrl, type HttpTarget } from '../log-sinks/log-sink-http.ts';
import { TOKEN_URI, type GoogleAuthConf } from './google-cloud-logging.schema.ts';

const ASSERTION_S = 3600;
/** A token is not used in its last minute. */
const EARLY_S = 60;
const DEFAULT_SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

interface Token {
  readonly header: string;
  readonly endS: number;
}

/** Access tokens of a service account. Source: apisix/utils/google-cloud-oauth.lua. */
export class GoogleOauth {
  readonly #conf: GoogleAuthConf;
  readonly #target: HttpTarget;
  #token: Token | undefined;

  constructor(conf: GoogleAuthConf, target: HttpTarget) {
    this.#conf = conf;
    this.#target = target;
  }

  /** An Authorization header. Rejects when Google gives none. */
  async authorization(): Promise<string> {
    const nowS = Date.now() / 1000;
    if (this.#token === undefined || nowS > this.#token.endS - EARLY_S) {
      this.#token = await this.#fetch();
    }
    return this.#token.header;
  }

  async #fetch(): Promise<Token> {
    const body = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: this.#assertion(),
    });
    const answer = await this.#target.post(
      endpointUrl(this.#conf.token_uri ?? TOKEN_URI),
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      body.toString(),
    );
    const text = answer.body.toString();
    if (answer.status !== 200) {
      throw new Error(`failed to refresh google oauth access token: ${text}`);
    }
    const { access_token, token_type, expires_in } = JSON.parse(text) as {
      readonly access_token?: unknown;
      readonly token_type?: unknown;
      readonly expires_in?: unknown;
    };
    if (typeof access_token !== 'string') throw new Error('failed to get google oauth token');
    const type = typeof token_type === 'string' ? token_type : 'Bearer';
    const lifeS = typeof expires_in === 'number' ? expires_in : 0;
    return { header: `${type} ${access_token}`, endS: Date.now() / 1000 + lifeS };
  }

  #assertion(): string {
    const { client_email, private_key, token_uri = TOKEN_URI, scope, scopes } = this.#conf;
    const nowS = Math.floor(Date.now() / 1000);
    const wanted = scopes ?? scope ?? DEFAULT_SCOPE;
    const claims = {
      iss: client_email,
      aud: token_uri,
      scope: typeof wanted === 'string' ? wanted : wanted.join(' '),
      iat: nowS,
      exp: nowS + ASSERTION_S,
    };
    const signed = [{ alg: 'RS256', typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = sign('sha256', Buffer.from(signed), private_key).toString('base64url');
    return `${signed}.${signature}`;
  }
}
