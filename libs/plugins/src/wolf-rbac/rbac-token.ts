import type { RequestContext } from '@polygate/plugin-sdk';

const VERSION = 'V1';

export interface RbacToken {
  readonly appid: string;
  /** What the wolf-server knows the user by. */
  readonly wolfToken: string;
}

export function formatRbacToken({ appid, wolfToken }: RbacToken): string {
  return `${VERSION}#${appid}#${wolfToken}`;
}

export function parseRbacToken(text: string): RbacToken | undefined {
  const [version, appid, ...rest] = text.split('#');
  if (version !== VERSION || appid === undefined || rest.length === 0) return undefined;
  return { appid, wolfToken: rest.join('#') };
}

/** Of the query, the Authorization header, the header or the cookie `x-rbac-token`, in this order. */
export function rbacTokenText({ vars, request }: RequestContext): string | undefined {
  const argument = vars.get('arg_rbac_token');
  if (argument !== undefined) return decodeArgument(argument);
  return (
    request.headers.getKnown('authorization') ??
    request.headers.getKnown('x-rbac-token') ??
    vars.get('cookie_x-rbac-token')
  );
}

/** As ngx.unescape_uri: what cannot be decoded stays. */
function decodeArgument(raw: string): string {
  return new URLSearchParams(`token=${raw.replaceAll('&', '%26')}`).get('token') ?? '';
}
