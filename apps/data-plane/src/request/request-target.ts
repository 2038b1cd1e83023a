/** A request target, taken apart. */
export interface RequestTarget {
  /** Decoded and normalised: nginx's `$uri`. */
  readonly path: string;
  /** What routes are matched with: `path`, unless encoded slashes are kept. */
  readonly matchPath: string;
  /** Without `?`; empty when there is none. */
  readonly query: string;
  /** The authority of an absolute-form target; undefined for origin-form. */
  readonly authority: string | undefined;
}

/** What `apisix` of the configuration file says about paths. */
export interface TargetRules {
  /** `delete_uri_tail_slash`: takes one slash off the end of a path, but for `/` itself. */
  readonly deleteTailSlash?: boolean;
  /** `normalize_uri_like_servlet`: what follows `;` in a segment is no part of the path. */
  readonly likeServlet?: boolean;
  /** `match_uri_encoded_slash`: routes are matched with `%2F` as it is. */
  readonly keepEncodedSlash?: boolean;
}

const PLAIN_RULES: TargetRules = {};
const PLAIN_PATH = /^\/[\w\-/~!$&'()*+,;=:@]*$/;

/**
 * Takes origin-form (`/a?b`), absolute-form (`http://h/a`) and `*` apart, decodes %XX, merges slashes
 * and resolves dot segments as nginx does (ngx_http_parse_complex_uri). Undefined: a bad request.
 */
export function parseRequestTarget(
  target: string,
  rules: TargetRules = PLAIN_RULES,
): RequestTarget | undefined {
  if (target === '*') return { path: '*', matchPath: '*', query: '', authority: undefined };
  let rest = target;
  let authority: string | undefined;
  if (!rest.startsWith('/')) {
    const scheme = /^https?:\/\//i.exec(rest);
    if (scheme === null) return undefined;
    const start = scheme[0].length;
    const end = rest.slice(start).search(/[/?#]/);
    authority = end === -1 ? rest.slice(start) : rest.slice(start, start + end);
    rest = end === -1 ? '/' : rest.slice(start + end);
    if (authority === '') return undefined;
    if (!rest.startsWith('/')) rest = `/${rest}`;
  }
  const hash = rest.indexOf('#');
  if (hash !== -1) rest = rest.slice(0, hash);
  const mark = rest.indexOf('?');
  const rawPath = mark === -1 ? rest : rest.slice(0, mark);
  const normal = normalizePath(rawPath);
  if (normal === undefined) return undefined;
  const path = rules === PLAIN_RULES ? normal : pathByRules(normal, rules);
  if (path === undefined) return undefined;
  const matchPath =
    rules.keepEncodedSlash === true ? (withEncodedSlashes(rawPath, path) ?? path) : path;
  return { path, matchPath, query: mark === -1 ? '' : rest.slice(mark + 1), authority };
}

/** A servlet path is made of the whole one: it overrules `deleteTailSlash`, as in apisix/init.lua. */
function pathByRules(path: string, rules: TargetRules): string | undefined {
  if (rules.likeServlet === true) return servletPath(path);
  const isTailed = rules.deleteTailSlash === true && path.length > 1 && path.endsWith('/');
  return isTailed ? path.slice(0, -1) : path;
}

/**
 * Undefined where a parameter hides a dot segment or an empty one: servlet containers differ in what
 * such a path names. Source: normalize_uri_like_servlet of apisix/init.lua.
 */
function servletPath(path: string): string | undefined {
  if (!path.includes(';')) return path;
  const segments = path.split('/');
  for (const [i, segment] of segments.entries()) {
    const semicolon = segment.indexOf(';');
    if (semicolon === -1) continue;
    const name = segment.slice(0, semicolon);
    if (name === '' && i < segments.length - 1) return undefined;
    if (/^(?:\.|%2e){1,2}$/i.test(name)) return undefined;
    segments[i] = name;
  }
  return segments.join('/');
}

/**
 * The decoded path with `%2F` left in it. Undefined where decoding is not all that happened to the
 * path: a kept slash must not carry a route past merged slashes or dot segments. Source:
 * build_match_uri_keep_encoded_slash of apisix/init.lua.
 */
function withEncodedSlashes(rawPath: string, path: string): string | undefined {
  if (!/%2f/i.test(rawPath) || decodePath(rawPath) !== path) return undefined;
  const parts = rawPath.split(/%2f/i).map(decodePath);
  return parts.includes(undefined) ? undefined : parts.join('%2F');
}

/** Undefined where the path leaves the root, or holds a bad escape or a NUL. */
export function normalizePath(rawPath: string): string | undefined {
  if (!rawPath.includes('//') && PLAIN_PATH.test(rawPath)) return rawPath;

  const decoded = decodePath(rawPath);
  if (decoded === undefined || decoded.includes('\0')) return undefined;
  const segments: string[] = [];
  const parts = decoded.split('/');
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i] as string;
    const isLast = i === parts.length - 1;
    if (part === '..') {
      if (segments.pop() === undefined) return undefined;
      if (isLast) segments.push('');
    } else if (part === '.' || part === '') {
      if (isLast) segments.push('');
    } else {
      segments.push(part);
    }
  }
  return `/${segments.join('/')}`;
}

/** Bytes that are no UTF-8 come out as latin1, so that nothing is lost silently. */
function decodePath(path: string): string | undefined {
  if (!path.includes('%')) return path;
  if (/%(?![0-9a-f]{2})/i.test(path)) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
}

/** Encodes a decoded path for the wire, as nginx does when it has to write it anew. */
export function encodePath(path: string): string {
  if (PLAIN_PATH.test(path)) return path;
  return encodeURI(path).replace(/[?#]/g, (c) => (c === '?' ? '%3F' : '%23'));
}

/** The host of a Host header: lower case, no port, no trailing dot. */
export function hostWithoutPort(hostHeader: string): string {
  const host = hostHeader.toLowerCase();
  if (host.startsWith('[')) {
    const end = host.indexOf(']');
    return end === -1 ? host : host.slice(0, end + 1);
  }
  const colon = host.indexOf(':');
  const name = colon === -1 ? host : host.slice(0, colon);
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
