import type { AdminContext, Next } from './admin-state.ts';

/** The release of APISIX that Polygate stands in for. */
const SERVER = 'APISIX/3.18.0';

/** `apisix.enable_server_tokens` decides whether the version shows. */
export function serverHeader(showsVersion: boolean) {
  return (ctx: AdminContext, next: Next): Promise<unknown> => {
    ctx.set('Server', showsVersion ? SERVER : 'APISIX');
    return next();
  };
}
