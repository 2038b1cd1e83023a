import { HeaderList } from '@polygate/plugin-sdk';
import type { HttpAnswer } from '../http-call.ts';
import { clientForm } from './client-auth.ts';
import type { OpenidConnectConf } from './conf.ts';
import { keeps, type Flow } from './flow.ts';
import { jsonOf, OpenidError, type Json } from './provider.ts';
import type { Login } from './session/session.ts';
import { verifyAccessToken, verifyIdToken } from './verify-token.ts';

/** The answer of the token endpoint to a grant. Rejects with an OpenidError. */
export async function askForTokens(
  { ctx, conf, provider, dpop }: Flow,
  values: Readonly<Record<string, string | undefined>>,
): Promise<Json> {
  const url = await provider.endpoint('token_endpoint');
  const metadata = await provider.metadata();
  const send = (proof?: string): Promise<HttpAnswer> => {
    // anew each time: an assertion of the client is good for one request
    const form = clientForm(conf, { url, method: tokenAuthMethod(conf, metadata) }, values);
    if (proof !== undefined) form.headers.set('DPoP', proof);
    return provider.send(url, { ...form, isRepeatable: false }, ctx.signal);
  };
  return jsonOf(
    await (dpop === undefined ? send() : dpop.call({ method: 'POST', url, metadata }, send)),
  );
}

/** A method that cannot be used gives way to the provider's first that can. */
export function tokenAuthMethod(conf: OpenidConnectConf, metadata: Json): string {
  const canUse = (method: unknown): method is string => {
    if (method === 'private_key_jwt') return conf.client_rsa_private_key !== undefined;
    if (method === 'client_secret_jwt') return conf.client_secret !== undefined;
    return method === 'client_secret_basic' || method === 'client_secret_post';
  };
  const method = conf.token_endpoint_auth_method;
  if (canUse(method)) return method;
  const supported = metadata['token_endpoint_auth_methods_supported'];
  return (Array.isArray(supported) ? supported.find(canUse) : undefined) ?? 'client_secret_basic';
}

/** What comes of the answer to a code. Rejects with an OpenidError when its ID token is not good. */
export async function loginOf(flow: Flow, answer: Json, nonce: string | undefined): Promise<Login> {
  const { conf, provider } = flow;
  const rawIdToken = answer['id_token'];
  if (typeof rawIdToken !== 'string') throw new OpenidError('no id_token in the token response');
  const metadata = await provider.metadata();
  const idToken = await verifyIdToken(rawIdToken, conf, { provider, metadata, nonce });
  const tokens = accessTokensOf(conf, answer);
  const wantsUser = keeps(conf, 'user');
  const user = wantsUser ? await userInfo(flow, tokens.accessToken, idToken['sub']) : undefined;
  return {
    accessTokenEndMs: tokens.accessTokenEndMs,
    ...(keeps(conf, 'access_token') && tokens),
    ...(keeps(conf, 'id_token') && { idToken }),
    ...(keeps(conf, 'enc_id_token') && { rawIdToken }),
    ...(user && { user }),
    atMs: Date.now(),
  };
}

/** The login with new tokens. Rejects with an OpenidError when there are none for it. */
export async function renewLogin(flow: Flow, login: Login, refreshToken: string): Promise<Login> {
  const { conf, provider } = flow;
  // without a scope: the provider may have granted less than was asked for at the login
  const values = { grant_type: 'refresh_token', refresh_token: refreshToken };
  const answer = await askForTokens(flow, values);
  const tokens = accessTokensOf(conf, answer);
  if (tokens.accessToken === undefined) throw new OpenidError('no access_token in the answer');
  const rawIdToken = answer['id_token'];
  if (typeof rawIdToken !== 'string') return { ...login, ...tokens };
  const metadata = await provider.metadata();
  const rules = { provider, metadata, nonce: undefined };
  const idToken = await verifyIdToken(rawIdToken, conf, rules);
  if (login.idToken !== undefined && login.idToken['sub'] !== idToken['sub']) {
    throw new OpenidError('the renewed id_token is of somebody else');
  }
  return {
    ...login,
    ...tokens,
    ...(keeps(conf, 'id_token') && { idToken }),
    ...(keeps(conf, 'enc_id_token') && { rawIdToken }),
  };
}

function accessTokensOf(
  conf: OpenidConnectConf,
  { access_token: access, refresh_token: refresh, expires_in: expiresIn }: Json,
): Pick<Login, 'accessToken' | 'accessTokenEndMs' | 'refreshToken'> {
  const seconds = Number(expiresIn ?? conf.access_token_expires_in ?? 3600);
  return {
    ...(typeof access === 'string' && { accessToken: access }),
    ...(typeof refresh === 'string' && { refreshToken: refresh }),
    // a second less, for the way that it has to go yet
    accessTokenEndMs: Date.now() + (Number.isFinite(seconds) ? seconds - 1 : 0) * 1000,
  };
}

/** Undefined, with a line in the log, when it cannot be had or is of another. */
async function userInfo(
  flow: Flow,
  accessToken: string | undefined,
  subject: unknown,
): Promise<Json | undefined> {
  const { ctx, provider } = flow;
  const url = (await provider.metadata())['userinfo_endpoint'];
  if (typeof url !== 'string' || accessToken === undefined) return undefined;
  try {
    const user = await userClaims(flow, await askForUser(flow, url, accessToken));
    if (user['sub'] === subject) return user;
    ctx.log.error('OIDC: sub of the user info does not match the one of the id_token');
  } catch (error) {
    ctx.log.error(`OIDC: error calling userinfo endpoint: ${(error as Error).message}`);
  }
  return undefined;
}

async function askForUser(
  { ctx, provider, dpop }: Flow,
  url: string,
  accessToken: string,
): Promise<HttpAnswer> {
  if (dpop === undefined) {
    const headers = HeaderList.fromRaw(['Authorization', `Bearer ${accessToken}`]);
    return provider.fetch(url, headers, ctx.signal);
  }
  const metadata = await provider.metadata();
  return dpop.call({ method: 'GET', url, accessToken, metadata }, (proof) => {
    const headers = HeaderList.fromRaw(['Authorization', `DPoP ${accessToken}`, 'DPoP', proof]);
    return provider.fetch(url, headers, ctx.signal);
  });
}

/** As JSON, or as a JWT that the provider signed. */
async function userClaims({ conf, provider }: Flow, answer: HttpAnswer): Promise<Json> {
  const type = answer.headers.get('content-type')?.toLowerCase() ?? '';
  if (answer.status !== 200 || !type.includes('application/jwt')) return jsonOf(answer);
  return verifyAccessToken(answer.body.toString().trim(), conf, {
    issuers: [],
    find: ({ header }, algorithm) => provider.verifiers(header['kid'], algorithm),
  });
}
