import type { QueryArgument } from '@polygate/plugin-sdk';

/**
 * Decodes a query string (`+` is a space); `a` has no value, `a=` an empty one. All of them, as many
 * as the limit on request heads lets in: whoever writes them back must not lose any.
 */
export function parseQuery(query: string): QueryArgument[] {
  const args: QueryArgument[] = [];
  if (query === '') return args;
  for (const part of query.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    if (equals === 0) continue;
    if (equals === -1) args.push({ name: decodeComponent(part), value: undefined });
    else {
      args.push({
        name: decodeComponent(part.slice(0, equals)),
        value: decodeComponent(part.slice(equals + 1)),
      });
    }
  }
  return args;
}

export function formatQuery(args: readonly QueryArgument[]): string {
  return args
    .map(({ name, value }) =>
      value === undefined
        ? encodeURIComponent(name)
        : `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
    )
    .join('&');
}

/**
 * `arg_<name>` as APISIX has it: the first one, decoded; `true` where it stands without `=`
 * (core/ctx.lua, ngx.req.get_uri_args). nginx's own is not decoded.
 */
export function firstArgument(query: string, name: string): string | undefined {
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const found = equals === -1 ? part : part.slice(0, equals);
    if (found !== name && (!/[%+]/.test(found) || decodeComponent(found) !== name)) continue;
    if (part === '') continue;
    return equals === -1 ? 'true' : decodeComponent(part.slice(equals + 1));
  }
  return undefined;
}

function decodeComponent(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
}
