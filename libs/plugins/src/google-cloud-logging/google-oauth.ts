import { GOOGLE_TOKEN_URI, googleGrant, readGoogleToken } from '@polygate/model';
import { endpointUrl, type HttpTarget } from '../log-sinks/log-sink-http.ts';
import type { GoogleAuthConf } from './google-cloud-logging.schema.ts';

/** A token is not used in its last minute. */
const EARLY_S = 60;

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
    const { token_uri = GOOGLE_TOKEN_URI, scope, scopes = scope, ...account } = this.#conf;
    const answer = await this.#target.post(
      endpointUrl(token_uri),
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      googleGrant({ ...account, token_uri, ...(scopes !== undefined && { scope: scopes }) }),
    );
    const text = answer.body.toString();
    if (answer.status !== 200) {
      throw new Error(`failed to refresh google oauth access token: ${text}`);
    }
    const token = readGoogleToken(text);
    if (token === undefined) throw new Error('failed to get google oauth token');
    return { header: token.authorization, endS: Date.now() / 1000 + token.lifeSeconds };
  }
}
