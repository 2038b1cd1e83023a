import { compileSchema, ConfigError } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { parseJsonWebToken } from '../json-web-token.ts';
import { BearerTokens, challenge } from './bearer.ts';
import { authenticate } from './code-flow.ts';
import type { OpenidConnectConf } from './conf.ts';
import { CookieSessions } from './session/cookie-sessions.ts';
import { DpopProofs } from './dpop.ts';
import { definition } from './openid-connect.schema.ts';
import { Provider, type Json } from './provider.ts';
import { RedisSessions } from './session/redis-sessions.ts';
import type { Login, Sessions } from './session/session.ts';

interface Prepared {
  readonly conf: OpenidConnectConf;
  readonly provider: Provider;
  readonly bearer: BearerTokens;
  /** Undefined with `bearer_only`. */
  readonly sessions: Sessions | undefined;
  readonly dpop: DpopProofs | undefined;
  readonly checkClaims: ((claims: unknown) => void) | undefined;
}

/** What this plugin tells the upstream; the client must not. */
const IDENTITY_HEADERS = [
  'x-access-token',
  'x-userinfo',
  'x-id-token',
  'x-refresh-token',
  'x-raw-id-token',
];

/** Relying party of an OpenID provider: bearer tokens of API clients, logins of browsers. */
export default definePlugin<OpenidConnectConf, Prepared>(definition, {
  prepare(conf) {
    const provider = new Provider(conf);
    const { dpop, claim_schema: schema } = conf;
    return {
      conf,
      provider,
      bearer: new BearerTokens(conf, provider),
      sessions: sessionsOf(conf),
      dpop: dpop?.enabled === true ? new DpopProofs(dpop) : undefined,
      checkClaims: schema === undefined ? undefined : compileSchema(schema),
    };
  },

  dispose({ provider, sessions }) {
    provider.close();
    sessions?.close();
  },

  async rewrite(ctx, prepared) {
    const { headers } = ctx.request;
    const given = headers.getKnown('x-access-token');
    for (const name of IDENTITY_HEADERS) headers.deleteKnown(name);
    const { conf } = prepared;
    const takesBearer =
      conf.bearer_only ||
      conf.introspection_endpoint !== undefined ||
      conf.public_key !== undefined ||
      conf.use_jwks;
    if (takesBearer) {
      const result = await prepared.bearer.check(ctx, given);
      if (result !== undefined) {
        return 'refusal' in result ? result.refusal : acceptBearer(ctx, prepared, result);
      }
    }
    return acceptBrowser(ctx, prepared);
  },
});

/** A session is of one client of one provider: that of another passes nowhere else. */
function sessionsOf(conf: OpenidConnectConf): Sessions | undefined {
  const { session, client_id: clientId, discovery } = conf;
  if (session === undefined || conf.bearer_only) return undefined;
  const context = [clientId, discovery];
  return session.storage === 'redis' && session.redis !== undefined
    ? new RedisSessions(session, session.redis, context)
    : new CookieSessions(session, context);
}

function acceptBearer(
  ctx: RequestContext,
  { conf, checkClaims }: Prepared,
  { token, claims }: { readonly token: string; readonly claims: Json },
): LocalReply | undefined {
  const refusal =
    scopesRefusal(ctx, conf, scopesOf(claims['scope']) ?? []) ?? audienceRefusal(ctx, conf, claims);
  if (refusal !== undefined) return refusal;
  const problem = claimsProblem(checkClaims, claims);
  if (problem !== undefined) {
    ctx.log.error(`OIDC claim validation failed: ${problem}`);
    return challenge(conf, problem);
  }
  addAccessToken(ctx, conf, token);
  if (conf.set_userinfo_header) ctx.request.headers.set('X-Userinfo', encoded(claims));
  return undefined;
}

async function acceptBrowser(
  ctx: RequestContext,
  prepared: Prepared,
): Promise<LocalReply | undefined> {
  const { conf, provider, sessions, dpop } = prepared;
  if (sessions === undefined) return challenge(conf);
  try {
    const result = await authenticate({ ctx, conf, provider, sessions, dpop });
    if (result === 'unauthorized') {
      return conf.unauth_action === 'pass' ? undefined : { status: 401 };
    }
    return 'reply' in result ? result.reply : acceptLogin(ctx, prepared, result.login);
  } catch (error) {
    ctx.log.error(`OIDC authentication failed: ${(error as Error).message}`);
    return { status: ctx.request.path === conf.logout_path ? 503 : 500 };
  }
}

function acceptLogin(
  ctx: RequestContext,
  { conf, checkClaims }: Prepared,
  { accessToken, idToken, user, refreshToken, rawIdToken }: Login,
): LocalReply | undefined {
  const data = { user, access_token: accessToken, id_token: idToken };
  const problem = claimsProblem(checkClaims, JSON.parse(JSON.stringify(data)));
  if (problem !== undefined) {
    ctx.log.error(`OIDC claim validation failed: ${problem}`);
    return challenge(conf, problem);
  }
  // scopes that cannot be read are not granted
  const refusal = scopesRefusal(ctx, conf, loginScopes(accessToken, idToken));
  if (refusal !== undefined) return refusal;
  const { headers } = ctx.request;
  if (accessToken !== undefined) addAccessToken(ctx, conf, accessToken);
  if (idToken !== undefined && conf.set_id_token_header) {
    headers.set('X-ID-Token', encoded(idToken));
  }
  if (user !== undefined && conf.set_userinfo_header) headers.set('X-Userinfo', encoded(user));
  if (refreshToken !== undefined && conf.set_refresh_token_header) {
    headers.set('X-Refresh-Token', refreshToken);
  }
  if (rawIdToken !== undefined && conf.set_raw_id_token_header) {
    headers.set('X-Raw-ID-Token', rawIdToken);
  }
  return undefined;
}

function addAccessToken(ctx: RequestContext, conf: OpenidConnectConf, token: string): void {
  if (!conf.set_access_token_header) return;
  if (conf.access_token_in_authorization_header) {
    ctx.request.headers.set('Authorization', `Bearer ${token}`);
  } else {
    ctx.request.headers.set('X-Access-Token', token);
  }
}

function loginScopes(accessToken: string | undefined, idToken: Json | undefined) {
  // the provider gave us the token itself: its claims need no verification here
  const token = accessToken === undefined ? undefined : parseJsonWebToken(accessToken);
  const ofToken = typeof token === 'object' ? scopesOf(token.payload['scope']) : undefined;
  return ofToken ?? scopesOf(idToken?.['scope']);
}

function scopesOf(scope: unknown): readonly string[] | undefined {
  return typeof scope === 'string' ? scope.split(/\s+/) : undefined;
}

function scopesRefusal(
  ctx: RequestContext,
  { required_scopes: required }: OpenidConnectConf,
  scopes: readonly string[] | undefined,
): LocalReply | undefined {
  if (required === undefined || required.every((scope) => scopes?.includes(scope) === true)) {
    return undefined;
  }
  ctx.log.error('OIDC introspection failed: required scopes not present');
  const names = scopes === undefined ? '' : `${required.join(', ')} `;
  return { status: 403, body: JSON.stringify({ error: `required scopes ${names}not present` }) };
}

function audienceRefusal(
  ctx: RequestContext,
  { claim_validator: validator, client_id: clientId }: OpenidConnectConf,
  claims: Json,
): LocalReply | undefined {
  const rule = validator?.audience;
  if (rule === undefined || (!rule.required && !rule.match_with_client_id)) return undefined;
  const value = Object.hasOwn(claims, rule.claim) ? claims[rule.claim] : undefined;
  if (value === undefined || value === null || value === false) {
    ctx.log.error(`OIDC introspection failed: required audience (${rule.claim}) not present`);
    return { status: 403, body: JSON.stringify({ error: 'required audience claim not present' }) };
  }
  if (!rule.match_with_client_id) return undefined;
  const matches = Array.isArray(value) ? value.includes(clientId) : value === clientId;
  if (matches) return undefined;
  const what = Array.isArray(value) ? 'audience list does not contain' : 'audience does not match';
  ctx.log.error(`OIDC introspection failed: ${what} the client id`);
  return { status: 403, body: JSON.stringify({ error: 'mismatched audience' }) };
}

function claimsProblem(check: Prepared['checkClaims'], claims: unknown): string | undefined {
  if (check === undefined) return undefined;
  try {
    // the schema may fill in defaults
    check(structuredClone(claims));
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

function encoded(claims: Json): string {
  return Buffer.from(JSON.stringify(claims)).toString('base64');
}
