import { hash, randomBytes } from 'node:crypto';
import { HeaderList } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { clientForm } from './client-auth.ts';
import type { OpenidConnectConf } from './conf.ts';
import { OpenidError, type Json, type Provider } from './provider.ts';
import { redirectUriOf, type RedirectUri } from './redirect-uri.ts';
import type { Login, PendingLogin, Session, SessionCookies } from './session-cookie.ts';
import { verifyIdToken } from './verify-token.ts';

export type FlowResult =
  { readonly reply: LocalReply } | { readonly login: Login } | 'unauthorized';

/** Logins of one browser at the same time, as in several tabs. */
const PENDING_MAX = 8;
const RESTARTS_MAX = 3;
const NO_STORE = { 'Cache-Control': 'no-cache, no-store, max-age=0' };

interface Flow {
  readonly ctx: RequestContext;
  readonly conf: OpenidConnectConf;
  readonly provider: Provider;
  readonly cookies: SessionCookies;
}

/**
 * The authorization code flow of a browser: its login out of the session, a redirect to the provider, or
 * what comes back from there. Source: lua-resty-openidc, authenticate.
 */
export async function authenticate(flow: Flow): Promise<FlowResult> {
  const { ctx, conf, cookies } = flow;
  const session = cookies.read(ctx.request.headers);
  const path = ctx.request.path;
  const redirectUri = redirectUriOf(ctx, conf);
  if (path === conf.logout_path) return { reply: await logOut(flow, session) };
  if (path === redirectUri.path) return { reply: await callback(flow, session, redirectUri) };
  const current = session?.login === undefined ? undefined : await renewed(flow, session);
  const login = current?.login;
  if (login !== undefined && !conf.force_reauthorize) {
    const interval = conf.refresh_session_interval;
    const isStale = interval !== undefined && Date.now() - login.atMs > interval * 1000;
    if (!isStale) return { login };
    return { reply: await authorize(flow, { session, redirectUri, prompt: 'none' }) };
  }
  if (conf.unauth_action !== 'auth') return 'unauthorized';
  return { reply: await authorize(flow, { session: current ?? session, redirectUri }) };
}

interface Authorization {
  readonly session: Session | undefined;
  readonly redirectUri: RedirectUri;
  readonly prompt?: string;
}

async function authorize(flow: Flow, to: Authorization): Promise<LocalReply> {
  const { ctx, conf, cookies, provider } = flow;
  const endpoint = await provider.endpoint('authorization_endpoint');
  const state = randomBytes(16).toString('hex');
  const originalUrl = ownUrl(ctx.request.rawTarget);
  const pending: PendingLogin = {
    originalUrl,
    ...(conf.use_nonce && { nonce: randomBytes(16).toString('hex') }),
    ...(conf.use_pkce && { verifier: randomBytes(32).toString('base64url') }),
  };
  const parameters: Record<string, string> = {
    client_id: conf.client_id,
    response_type: 'code',
    scope: conf.scope,
    redirect_uri: to.redirectUri.url,
    state,
    ...(pending.nonce !== undefined && { nonce: pending.nonce }),
    ...(pending.verifier !== undefined && {
      code_challenge: hash('sha256', pending.verifier, 'base64url'),
      code_challenge_method: 'S256',
    }),
    ...(to.prompt !== undefined && { prompt: to.prompt }),
  };
  for (const [name, value] of Object.entries(conf.authorization_params ?? {})) {
    parameters[name] = String(value);
  }
  const query = await authorizationQuery(flow, parameters);
  const session = to.session ?? cookies.begin();
  const others = Object.entries(session.pending).slice(1 - PENDING_MAX);
  const all = { ...Object.fromEntries(others), [state]: pending };
  cookies.write(ctx, { ...session, pending: all, originalUrl });
  const mark = endpoint.includes('?') ? '&' : '?';
  return redirect(`${endpoint}${mark}${query}`);
}

/** The parameters themselves, or, with RFC 9126, a reference to them that the provider gave. */
async function authorizationQuery(
  { ctx, conf, provider }: Flow,
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  if (conf.par?.enabled !== true) return encodeQuery(parameters);
  const { par } = conf;
  const url = par.endpoint ?? (await provider.endpoint('pushed_authorization_request_endpoint'));
  const method = par.endpoint_auth_method ?? conf.token_endpoint_auth_method;
  const form = clientForm(conf, { url, method }, parameters);
  const answer = await provider.post(url, { ...form, isRepeatable: true }, ctx.signal);
  const uri = answer['request_uri'];
  if (typeof uri !== 'string') throw new OpenidError('pushed request was answered without a uri');
  return encodeQuery({ client_id: conf.client_id, request_uri: uri });
}

/** Spaces as `%20`: not every provider takes a plus for one in a query. */
function encodeQuery(parameters: Readonly<Record<string, string>>): string {
  return new URLSearchParams(parameters).toString().replaceAll('+', '%20');
}

async function callback(
  flow: Flow,
  session: Session | undefined,
  redirectUri: RedirectUri,
): Promise<LocalReply> {
  const { ctx, cookies } = flow;
  if (session === undefined) {
    throw new OpenidError("request to the redirect_uri path but there's no session state found");
  }
  const args = new Map(ctx.request.getArguments().map(({ name, value }) => [name, value]));
  const state = args.get('state') ?? '';
  const code = args.get('code');
  const pending = Object.hasOwn(session.pending, state) ? session.pending[state] : undefined;
  if (code === undefined || state === '') {
    const isOutage = args.get('error') === 'temporarily_unavailable' && pending !== undefined;
    const message = `unhandled request to the redirect_uri: ${ctx.request.path}`;
    return restart(flow, session, { to: isOutage ? pending.originalUrl : undefined, message });
  }
  if (pending === undefined) {
    const message = 'state from argument does not match state restored from session';
    return restart(flow, session, { to: session.originalUrl, message });
  }
  const left = Object.fromEntries(Object.entries(session.pending).filter(([key]) => key !== state));
  const issuer = args.get('iss');
  if (issuer !== undefined && issuer !== (await flow.provider.metadata())['issuer']) {
    throw new OpenidError('iss from argument does not match expected issuer');
  }
  const answer = await askForTokens(flow, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri.url,
    state,
    code_verifier: pending.verifier,
  });
  const login = await loginOf(flow, answer, pending);
  // another person may have logged in: nothing of the former session goes on but its other tabs
  cookies.write(ctx, { ...cookies.begin(), pending: left, login });
  return redirect(pending.originalUrl);
}

/** A browser that came back with nothing of use is sent to where it wanted to go, a few times. */
function restart(
  { ctx, cookies }: Flow,
  session: Session,
  { to, message }: { readonly to: string | undefined; readonly message: string },
): LocalReply {
  if (to === undefined || ctx.request.method !== 'GET') throw new OpenidError(message);
  const { restarts } = session;
  if (restarts >= RESTARTS_MAX) {
    throw new OpenidError(
      `${message} (giving up after ${restarts} restarts of the authentication flow)`,
    );
  }
  cookies.write(ctx, { ...session, restarts: restarts + 1 });
  ctx.log.warn(`OIDC ${message}, restarting the authentication flow`);
  return redirect(to);
}

async function askForTokens(
  { ctx, conf, provider }: Flow,
  values: Readonly<Record<string, string | undefined>>,
): Promise<Json> {
  const url = await provider.endpoint('token_endpoint');
  const form = clientForm(conf, { url, method: tokenAuthMethod(conf) }, values);
  return provider.post(url, { ...form, isRepeatable: false }, ctx.signal);
}

/** A method without its credential is passed over, as lua-resty-openidc does. */
function tokenAuthMethod(conf: OpenidConnectConf): string {
  const method = conf.token_endpoint_auth_method;
  const isKeyMissing = method === 'private_key_jwt' && conf.client_rsa_private_key === undefined;
  return isKeyMissing ? 'client_secret_basic' : method;
}

async function loginOf(flow: Flow, answer: Json, pending: PendingLogin): Promise<Login> {
  const { conf, provider } = flow;
  const rawIdToken = answer['id_token'];
  if (typeof rawIdToken !== 'string') throw new OpenidError('no id_token in the token response');
  const { issuer } = await provider.metadata();
  const { nonce } = pending;
  const idToken = await verifyIdToken(rawIdToken, conf, { provider, issuer, nonce });
  const tokens = accessTokensOf(conf, answer);
  const user = await userInfo(flow, tokens.accessToken, idToken['sub']);
  return { ...tokens, idToken, rawIdToken, ...(user && { user }), atMs: Date.now() };
}

function accessTokensOf(
  conf: OpenidConnectConf,
  { access_token: access, refresh_token: refresh, expires_in: expiresIn }: Json,
): Pick<Login, 'accessToken' | 'accessTokenEndMs' | 'refreshToken'> {
  const seconds = Number(expiresIn ?? conf.access_token_expires_in ?? 3600);
  return {
    ...(typeof access === 'string' && { accessToken: access }),
    ...(typeof refresh === 'string' && { refreshToken: refresh }),
    accessTokenEndMs: Date.now() + (Number.isFinite(seconds) ? seconds : 0) * 1000,
  };
}

/** Undefined, with a line in the log, when it cannot be had or is of another. */
async function userInfo(
  { ctx, provider }: Flow,
  accessToken: string | undefined,
  subject: unknown,
): Promise<Json | undefined> {
  const url = (await provider.metadata())['userinfo_endpoint'];
  if (typeof url !== 'string' || accessToken === undefined) return undefined;
  try {
    const headers = HeaderList.fromRaw(['Authorization', `Bearer ${accessToken}`]);
    const user = await provider.get(url, headers, ctx.signal);
    if (user['sub'] === subject) return user;
    ctx.log.error('OIDC: sub of the user info does not match the one of the id_token');
  } catch (error) {
    ctx.log.error(`OIDC: error calling userinfo endpoint: ${(error as Error).message}`);
  }
  return undefined;
}

/** The session with an access token that is good, or without login. */
async function renewed(flow: Flow, session: Session): Promise<Session> {
  const { ctx, conf, cookies } = flow;
  const { login, ...rest } = session;
  if (login === undefined) return session;
  const leewayMs = conf.access_token_expires_leeway * 1000;
  if (login.accessTokenEndMs - leewayMs > Date.now()) {
    cookies.touch(ctx, session);
    return session;
  }
  const { refreshToken } = login;
  if (!conf.renew_access_token_on_expiry || refreshToken === undefined) return rest;
  try {
    // without a scope: the provider may have granted less than was asked for at the login
    const values = { grant_type: 'refresh_token', refresh_token: refreshToken };
    const answer = await askForTokens(flow, values);
    const next = { ...session, login: { ...login, ...accessTokensOf(conf, answer) } };
    cookies.write(ctx, next);
    return next;
  } catch (error) {
    ctx.log.error(`OIDC: access token was not renewed: ${(error as Error).message}`);
    return rest;
  }
}

async function logOut(flow: Flow, session: Session | undefined): Promise<LocalReply> {
  const { ctx, conf, cookies, provider } = flow;
  cookies.drop(ctx);
  const metadata = await provider.metadata();
  if (conf.revoke_tokens_on_logout) await revokeTokens(flow, metadata, session?.login);
  const after = conf.post_logout_redirect_uri;
  const end = metadata['end_session_endpoint'];
  const rawIdToken = session?.login?.rawIdToken;
  const query = new URLSearchParams({
    ...(rawIdToken !== undefined && { id_token_hint: rawIdToken }),
    ...(after !== undefined && { post_logout_redirect_uri: after }),
  }).toString();
  // without an address of the provider's the browser goes on to the conf's
  const to = typeof end === 'string' ? end : after;
  if (to === undefined) return { status: 200, headers: NO_STORE, body: 'Logged Out' };
  if (query === '') return redirect(to);
  return redirect(`${to}${to.includes('?') ? '&' : '?'}${query}`);
}

/** RFC 7009. A token that stays good does not keep anyone from logging out. */
async function revokeTokens(
  { ctx, conf, provider }: Flow,
  metadata: Json,
  login: Login | undefined,
): Promise<void> {
  const url = metadata['revocation_endpoint'];
  if (typeof url !== 'string' || login === undefined) return;
  for (const [hint, token] of [
    ['refresh_token', login.refreshToken],
    ['access_token', login.accessToken],
  ]) {
    if (token === undefined) continue;
    try {
      const values = { token, token_type_hint: hint };
      const form = clientForm(conf, { url, method: tokenAuthMethod(conf) }, values);
      await provider.send(url, { ...form, isRepeatable: true }, ctx.signal);
    } catch (error) {
      ctx.log.error(`OIDC: ${hint} was not revoked: ${(error as Error).message}`);
    }
  }
}

function redirect(location: string): LocalReply {
  return { status: 302, headers: { Location: location, ...NO_STORE } };
}

/** `//host/` would be the address of another host. */
function ownUrl(target: string): string {
  return `/${target.replace(/^[/\\]+/, '')}`;
}
