import type { LocalReply } from '@polygate/plugin-sdk';
import { clientForm } from './client-auth.ts';
import { redirect, type Flow } from './flow.ts';
import type { Json } from './provider.ts';
import type { Login, Session } from './session/session.ts';
import { tokenAuthMethod } from './tokens.ts';

/** One pixel, transparent. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNgYAAAAAMAASsJTYQAAAAASUVORK5CYII=',
  'base64',
);

/**
 * Ends the session, and sends the browser on to the provider for the same, or to where the conf says.
 * Source: lua-resty-openidc, openidc_logout; openid-connect.lua, rewrite.
 */
export async function logOut(flow: Flow, session: Session | undefined): Promise<LocalReply> {
  const { ctx, conf, sessions, provider } = flow;
  await sessions.drop(ctx, session);
  const metadata = await provider.metadata();
  if (conf.revoke_tokens_on_logout) await revokeTokens(flow, metadata, session?.login);
  if (prefersImage(ctx.request.headers.get('accept'))) return pixel();
  const after = conf.post_logout_redirect_uri;
  const target = after === undefined ? {} : { post_logout_redirect_uri: after };
  const end = metadata['end_session_endpoint'];
  if (typeof end === 'string') {
    const hint = session?.login?.rawIdToken;
    return redirect(
      withQuery(end, { ...(hint !== undefined && { id_token_hint: hint }), ...target }),
    );
  }
  // not with the ID token: this is not the provider's
  if (after !== undefined) return redirect(withQuery(after, target));
  const headers = {
    'Content-Type': 'text/html',
    'Cache-Control': 'no-cache, no-store, max-age=0',
  };
  return { status: 200, headers, body: '<html><body>Logged Out</body></html>\n' };
}

function withQuery(url: string, parameters: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(parameters).toString();
  if (query === '') return url;
  return `${url}${url.includes('?') ? '&' : '?'}${query}`;
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
      const form = clientForm(conf, { url, method: tokenAuthMethod(conf, metadata) }, values);
      await provider.send(url, { ...form, isRepeatable: true }, ctx.signal);
    } catch (error) {
      ctx.log.error(`OIDC: ${hint} was not revoked: ${(error as Error).message}`);
    }
  }
}

/** A page of the provider's that has an image of each gateway, to log out of them all (PingFederate). */
function prefersImage(accept = ''): boolean {
  const types = accept.split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const quality = parameters.find((text) => text.startsWith('q='));
    return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) || 0 };
  });
  const best = types
    .sort((a, b) => b.quality - a.quality)
    .find(({ type }) => /text\/html|application\/xhtml\+xml|image\/png/.test(type));
  return best?.type.includes('image/png') === true;
}

function pixel(): LocalReply {
  const headers = {
    'Content-Type': 'image/png',
    'Cache-Control': 'no-cache, no-store',
    Pragma: 'no-cache',
    P3P: 'CAO PSA OUR',
    Expires: '0',
    'X-Frame-Options': 'DENY',
  };
  return { status: 200, headers, body: PIXEL };
}
