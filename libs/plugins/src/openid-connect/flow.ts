import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import type { OpenidConnectConf } from './conf.ts';
import type { DpopProofs } from './dpop.ts';
import type { Provider } from './provider.ts';
import type { Sessions } from './session/session.ts';

/** One request of a browser, and what it needs to get logged in. */
export interface Flow {
  readonly ctx: RequestContext;
  readonly conf: OpenidConnectConf;
  readonly provider: Provider;
  readonly sessions: Sessions;
  readonly dpop: DpopProofs | undefined;
}

export function redirect(location: string): LocalReply {
  const headers = { Location: location, 'Cache-Control': 'no-cache, no-store, max-age=0' };
  return { status: 302, headers };
}

/** Whether a login keeps `part`. Source: openid-connect.lua, rewrite; lua-resty-openidc. */
export function keeps(
  conf: OpenidConnectConf,
  part: 'access_token' | 'enc_id_token' | 'id_token' | 'user',
): boolean {
  const contents = conf.session_contents;
  if (contents === undefined) return true;
  if (part === 'enc_id_token' && conf.set_raw_id_token_header) return true;
  // the scopes are read out of it
  if (part === 'access_token' && conf.required_scopes !== undefined) return true;
  const value = Object.hasOwn(contents, part) ? contents[part] : undefined;
  return value !== undefined && value !== null && value !== false;
}
