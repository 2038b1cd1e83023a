import { definePlugin, HeaderList } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { readBoundedBody } from '../bounded-body.ts';
import { headerValue } from '../header-value.ts';
import { callableUrl, HttpCaller } from '../http-call.ts';
import { encodeArguments } from '../uri-encoding.ts';
import { callbackPath, isAbsoluteCallback, isSafeRedirect } from './callback.ts';
import { definition, type CasAuthConf } from './cas-auth.schema.ts';
import { CasSessions } from './cas-sessions.ts';
import { signValue, verifyValue } from './signed-value.ts';

/** Where a login began, signed. */
const REQUEST_COOKIE = 'CAS_REQUEST_URI';
const VALIDATE_TIMEOUT_MS = 10_000;
const DELETED = 'deleted; Max-Age=0';

interface Prepared {
  readonly conf: CasAuthConf;
  readonly callbackPath: string;
  readonly sessions: CasSessions;
  readonly caller: HttpCaller;
}

/** Lets in who a CAS server (protocol 2.0 and later) knows; sends everybody else there to log in. */
export default definePlugin<CasAuthConf, Prepared>(definition, {
  prepare(conf, { shared, log }) {
    const { idp_uri: idpUri, cas_callback_uri: callbackUri } = conf;
    if (!isAbsoluteCallback(callbackUri)) {
      log.warn(
        'cas-auth: cas_callback_uri is a relative path; the CAS service URL will be derived from ' +
          'the request Host header. Configure an absolute cas_callback_uri to avoid relying on it.',
      );
    }
    return {
      conf,
      callbackPath: callbackPath(callbackUri),
      sessions: new CasSessions(idpUri, callbackUri, shared),
      caller: new HttpCaller({
        ...{ timeoutMs: VALIDATE_TIMEOUT_MS, verifyTls: true, keepAlive: undefined },
      }),
    };
  },

  dispose: ({ caller }) => caller.close(),

  access(ctx, prepared) {
    const { conf, sessions } = prepared;
    const { method } = ctx.request;
    const path = ctx.vars.get('uri');
    if (method === 'GET' && path === conf.logout_uri) return logOut(ctx, prepared);
    if (method === 'POST' && path === prepared.callbackPath) return endSession(ctx, prepared);
    const session = ctx.vars.get(`cookie_${sessions.cookieName}`);
    if (session !== undefined) {
      if (sessions.renew(session)) return undefined;
      setCookie(ctx, conf, sessions.cookieName, DELETED);
      return sendToLogin(ctx, conf);
    }
    const ticket = ctx.vars.get('arg_ticket');
    if (ticket !== undefined && path === prepared.callbackPath) return logIn(ctx, prepared, ticket);
    return sendToLogin(ctx, conf);
  },
});

function sendToLogin(ctx: RequestContext, conf: CasAuthConf): LocalReply {
  const begun = signValue(conf.cookie.secret, ctx.vars.get('request_uri') ?? '/');
  setCookie(ctx, conf, REQUEST_COOKIE, begun);
  const query = encodeArguments({ service: serviceUrl(ctx, conf) });
  return redirect(`${conf.idp_uri}/login?${query}`);
}

function logOut(ctx: RequestContext, { conf, sessions }: Prepared): LocalReply {
  const session = ctx.vars.get(`cookie_${sessions.cookieName}`);
  if (session === undefined) return { status: 401 };
  sessions.end(session);
  setCookie(ctx, conf, sessions.cookieName, DELETED);
  return redirect(`${conf.idp_uri}/logout`);
}

const INDEX_START = '<samlp:SessionIndex>';
const INDEX_END = '</samlp:SessionIndex>';

/** The CAS server says that a user logged out somewhere else. Never goes to the upstream. */
async function endSession(ctx: RequestContext, { conf, sessions }: Prepared): Promise<LocalReply> {
  const body = await readBoundedBody(ctx.request, conf.max_req_body_size);
  const text = typeof body === 'string' ? '' : body.toString();
  const start = text.indexOf(INDEX_START);
  const end = text.lastIndexOf(INDEX_END);
  if (start === -1 || end <= start + INDEX_START.length) {
    return { status: 400, body: { message: 'invalid logout request from IdP, no ticket' } };
  }
  sessions.end(text.slice(start + INDEX_START.length, end));
  return { status: 200 };
}

/** Back from the login. Only where it was begun here: nobody is to be logged in by another's link. */
async function logIn(ctx: RequestContext, prepared: Prepared, ticket: string): Promise<LocalReply> {
  const { conf, sessions } = prepared;
  const begun = verifyValue(conf.cookie.secret, ctx.vars.get(`cookie_${REQUEST_COOKIE}`));
  if (begun === undefined || !isSafeRedirect(begun)) {
    ctx.log.warn('cas-auth: callback rejected, missing or invalid initiation cookie');
    return { status: 401, body: { message: 'invalid callback state' } };
  }
  if (!(await isValidTicket(ctx, prepared, ticket)) || !sessions.start(ticket)) {
    return { status: 401, body: { message: 'invalid ticket' } };
  }
  setCookie(ctx, conf, sessions.cookieName, ticket);
  setCookie(ctx, conf, REQUEST_COOKIE, DELETED);
  return redirect(begun);
}

async function isValidTicket(
  ctx: RequestContext,
  { conf, caller }: Prepared,
  ticket: string,
): Promise<boolean> {
  const query = encodeArguments({ ticket, service: serviceUrl(ctx, conf) });
  const url = callableUrl(`${conf.idp_uri}/serviceValidate?${query}`);
  try {
    if (url === undefined) throw new Error(`bad uri: ${conf.idp_uri}`);
    // a ticket is good for one call
    const request = { url, method: 'GET', headers: new HeaderList(), isRepeatable: false } as const;
    const { status, body } = await caller.call(request, ctx.signal);
    const text = body.toString();
    if (status !== 200) throw new Error(`status ${status}`);
    return text.includes('<cas:authenticationSuccess>') && /<cas:user>.*?<\/cas:user>/.test(text);
  } catch (error) {
    ctx.log.error(`validate ticket failed: ${(error as Error).message}`);
    return false;
  }
}

function serviceUrl(ctx: RequestContext, { cas_callback_uri: callbackUri }: CasAuthConf): string {
  if (isAbsoluteCallback(callbackUri)) return callbackUri;
  const { scheme, host } = ctx.request;
  return `${scheme}://${host}:${ctx.server.port}${callbackUri}`;
}

function setCookie(ctx: RequestContext, { cookie }: CasAuthConf, name: string, value: string) {
  const secure = cookie.secure ? '; Secure' : '';
  const attributes = `; Path=/; HttpOnly${secure}; SameSite=${cookie.samesite}`;
  ctx.response.early.append('Set-Cookie', headerValue(`${name}=${value}${attributes}`));
}

function redirect(location: string): LocalReply {
  return { status: 302, headers: { Location: headerValue(location) } };
}
