import type { HeaderList, RequestContext } from '@polygate/plugin-sdk';
import type { SessionConf } from '../conf.ts';

/** The cookie of a session, and those that go on with it under its name and a number. */
export class SessionCookie {
  readonly name: string;
  readonly #conf: SessionConf;

  constructor(conf: SessionConf) {
    this.name = conf.cookie_name ?? 'session';
    this.#conf = conf;
  }

  set(ctx: RequestContext, value: string, name = this.name): void {
    ctx.response.early.append('Set-Cookie', `${name}=${value}${this.#attributes(ctx)}`);
  }

  /** Nothing, when the browser does not have it. */
  drop(ctx: RequestContext, name = this.name): void {
    if (cookiesOf(ctx.request.headers).has(name)) {
      const attributes = `; Max-Age=0${this.#attributes(ctx)}`;
      ctx.response.early.append('Set-Cookie', `${name}=${attributes}`);
    }
  }

  #attributes(ctx: RequestContext): string {
    const { cookie_path: path = '/', cookie_domain: domain, cookie_secure: secure } = this.#conf;
    const { cookie_http_only: isHttpOnly = true, cookie_same_site: sameSite = 'Lax' } = this.#conf;
    // browsers take no cookie for all sites that is not secure
    const isSecure = sameSite === 'None' || (secure ?? ctx.request.scheme === 'https');
    return [
      `; Path=${path}`,
      domain === undefined || domain === '' || domain === 'localhost' ? '' : `; Domain=${domain}`,
      sameSite === 'Default' ? '' : `; SameSite=${sameSite}`,
      isSecure ? '; Secure' : '',
      isHttpOnly ? '; HttpOnly' : '',
    ].join('');
  }
}

/** The first of each name. */
export function cookiesOf(headers: HeaderList): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of headers.getAll('cookie').flatMap((value) => value.split(';'))) {
    const equals = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, equals)).trim();
    if (name !== '' && !cookies.has(name)) cookies.set(name, pair.slice(equals + 1).trim());
  }
  return cookies;
}
