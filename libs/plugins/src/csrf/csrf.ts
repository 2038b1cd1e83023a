import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply } from '@polygate/plugin-sdk';
import { cookieTime } from './cookie-time.ts';
import { makeToken, tokenProblem } from './csrf-token.ts';
import { definition, type CsrfConf } from './csrf.schema.ts';

interface Prepared {
  readonly conf: CsrfConf;
  readonly headerName: string;
  readonly cookieVariable: string;
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

const NO_HEADER = refusal('no csrf token in headers');
const NO_COOKIE = refusal('no csrf cookie');
const MISMATCH = refusal('csrf token mismatch');
const INVALID = refusal('Failed to verify the csrf token signature');

/** Every answer brings a token as a cookie; whoever changes something sends it as a header as well. */
export default definePlugin<CsrfConf, Prepared>(definition, {
  prepare: (conf) => ({
    conf,
    headerName: conf.name.toLowerCase(),
    cookieVariable: `cookie_${conf.name}`,
  }),

  access(ctx, { conf, headerName, cookieVariable }) {
    if (SAFE_METHODS.has(ctx.request.method)) return undefined;
    const inHeader = ctx.request.headers.getKnown(headerName);
    if (inHeader === undefined || inHeader === '') return NO_HEADER;
    const inCookie = ctx.vars.get(cookieVariable);
    if (inCookie === undefined) return NO_COOKIE;
    if (inHeader !== inCookie) return MISMATCH;
    const problem = tokenProblem(inCookie, conf, nowSeconds());
    if (problem === undefined) return undefined;
    ctx.log.error(problem);
    return INVALID;
  },

  headerFilter(ctx, { conf }) {
    const now = nowSeconds();
    const token = makeToken(conf.key, now);
    const expires = cookieTime(now + conf.expires);
    ctx.response.headers.appendKnown(
      'Set-Cookie',
      'set-cookie',
      `${conf.name}=${token};path=/;SameSite=Lax;Expires=${expires}`,
    );
  },
});

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function refusal(message: string): LocalReply {
  return { status: 401, body: { error_msg: message } };
}
