import { hash, randomBytes } from 'node:crypto';
import type { LocalReply } from '@polygate/plugin-sdk';
import { clientForm } from './client-auth.ts';
import { keeps, redirect, type Flow } from './flow.ts';
import { logOut } from './log-out.ts';
import { OpenidError } from './provider.ts';
import { redirectUriOf, type RedirectUri } from './redirect-uri.ts';
import { beginSession, type Login, type PendingLogin, type Session } from './session/session.ts';
import { askForTokens, loginOf, renewLogin, tokenAuthMethod } from './tokens.ts';

export type FlowResult =
  { readonly reply: LocalReply } | { readonly login: Login } | 'unauthorized';

/** Logins of one browser at the same time, as in several tabs. */
const PENDING_MAX = 8;
const RESTARTS_MAX = 3;

/**
 * The authorization code flow of a browser: its login out of the session, a redirect to the provider, or
 * what comes back from there. Source: lua-resty-openidc, authenticate.
 */
export async function authenticate(flow: Flow): Promise<FlowResult> {
  const { ctx, conf, sessions } = flow;
  const session = await sessions.read(ctx.request.headers);
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
  const { ctx, conf, sessions, provider, dpop } = flow;
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
    ...(dpop !== undefined && { dpop_jkt: dpop.thumbprint }),
    ...(to.prompt !== undefined && { prompt: to.prompt }),
  };
  for (const [name, value] of Object.entries(conf.authorization_params ?? {})) {
    parameters[name] = String(value);
  }
  const query = await authorizationQuery(flow, parameters);
  const session = to.session ?? beginSession();
  const others = Object.entries(session.pending).slice(1 - PENDING_MAX);
  const all = { ...Object.fromEntries(others), [state]: pending };
  await sessions.write(ctx, { ...session, pending: all, originalUrl });
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
  const method = par.endpoint_auth_method ?? tokenAuthMethod(conf, await provider.metadata());
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
  const { ctx, conf, sessions } = flow;
  if (session === undefined) {
    throw new OpenidError("request to the redirect_uri path but there's no session state found");
  }
  const args = new Map(ctx.request.getArguments().map(({ name, value }) => [name, value]));
  const state = args.get('state') ?? '';
  const code = args.get('code');
  const pending = Object.hasOwn(session.pending, state) ? session.pending[state] : undefined;
  if (code === undefined || state === '') {
    const isOutage = args.get('error') === 'temporarily_unavailable' && pending !== undefined;
    const detail = args.get('error_description');
    const reason = 'authorization callback reported a temporarily unavailable identity provider';
    return restart(flow, session, {
      to: isOutage ? pending.originalUrl : undefined,
      message: `unhandled request to the redirect_uri: ${ctx.request.path}`,
      reason: detail === undefined ? reason : `${reason} (${detail.slice(0, 200)})`,
    });
  }
  if (pending === undefined) {
    const message = 'state from argument does not match state restored from session';
    const reason = 'state mismatch (replayed or pruned callback)';
    return restart(flow, session, { to: session.originalUrl, message, reason });
  }
  const left = Object.fromEntries(Object.entries(session.pending).filter(([key]) => key !== state));
  const issuer = args.get('iss');
  if (issuer !== undefined && issuer !== (await flow.provider.metadata())['issuer']) {
    throw new OpenidError('iss from argument does not match expected issuer');
  }
  const clientId = args.get('client_id');
  if (clientId !== undefined && clientId !== conf.client_id) {
    throw new OpenidError('client_id from argument does not match expected client_id');
  }
  const answer = await askForTokens(flow, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri.url,
    state,
    code_verifier: pending.verifier,
  });
  const login = await loginOf(flow, answer, pending.nonce);
  // another person may have logged in: nothing of the former session goes on but its other tabs
  const { originalUrl } = pending;
  const next = { ...beginSession(), pending: left, originalUrl, login };
  await sessions.write(ctx, next, session);
  return redirect(pending.originalUrl);
}

interface Restart {
  /** Undefined: not to be restarted. */
  readonly to: string | undefined;
  readonly message: string;
  readonly reason: string;
}

/** A browser that came back with nothing of use is sent to where it wanted to go, a few times. */
async function restart(
  { ctx, sessions }: Flow,
  session: Session,
  { to, message, reason }: Restart,
): Promise<LocalReply> {
  if (to === undefined || ctx.request.method !== 'GET') throw new OpenidError(message);
  const { restarts } = session;
  if (restarts >= RESTARTS_MAX) {
    throw new OpenidError(
      `${message} (giving up after ${restarts} restarts of the authentication flow)`,
    );
  }
  try {
    await sessions.write(ctx, { ...session, restarts: restarts + 1 });
  } catch (cause) {
    const why = (cause as Error).message;
    throw new OpenidError(`${message} (could not persist the restart counter: ${why})`, { cause });
  }
  ctx.log.warn(`OIDC ${reason}, restarting the authentication flow`);
  return redirect(to);
}

/** The session with an access token that is good, or none that is to be renewed, or without login. */
async function renewed(flow: Flow, session: Session): Promise<Session> {
  const { ctx, conf, sessions } = flow;
  const { login, ...rest } = session;
  if (login === undefined) return session;
  const leewayMs = conf.access_token_expires_leeway * 1000;
  const hasToken = login.accessToken !== undefined && keeps(conf, 'access_token');
  if (!hasToken || login.accessTokenEndMs - leewayMs > Date.now()) {
    await keepAlive(flow, session);
    return session;
  }
  if (!conf.renew_access_token_on_expiry) {
    ctx.log.error('OIDC: lost access token: token expired');
    await keepAlive(flow, session);
    return { ...session, login: { ...login, accessToken: undefined } };
  }
  try {
    const { refreshToken } = login;
    if (refreshToken === undefined) {
      throw new OpenidError('token expired and no refresh token available');
    }
    const next = { ...session, restarts: 0, login: await renewLogin(flow, login, refreshToken) };
    await sessions.write(ctx, next);
    return next;
  } catch (error) {
    ctx.log.error(`OIDC: lost access token: ${(error as Error).message}`);
    return rest;
  }
}

/** A browser that is logged in has its restarts back. */
async function keepAlive({ ctx, sessions }: Flow, session: Session): Promise<void> {
  if (session.restarts > 0) await sessions.write(ctx, { ...session, restarts: 0 });
  else await sessions.touch(ctx, session);
}

/** `//host/` would be the address of another host. */
function ownUrl(target: string): string {
  return `/${target.replace(/^[/\\]+/, '')}`;
}
