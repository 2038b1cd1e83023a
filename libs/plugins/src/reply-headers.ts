/** Headers that nginx keeps one of: what is added takes the place of what was there. */
const SINGLE: ReadonlySet<string> = new Set([
  ...['accept-ranges', 'content-encoding', 'content-length', 'content-range', 'content-type'],
  ...['date', 'etag', 'expires', 'last-modified', 'location', 'refresh', 'server'],
  'www-authenticate',
]);

export type ReplyHeaders = Record<string, string | string[]>;

/** Adds to what a local reply has under that name, in any spelling. Source: ngx.resp.add_header. */
export function addReplyHeader(headers: ReplyHeaders, name: string, value: string): void {
  const lowerName = name.toLowerCase();
  const known = Object.keys(headers).find((key) => key.toLowerCase() === lowerName);
  if (known === undefined) headers[name] = value;
  else if (SINGLE.has(lowerName)) headers[known] = value;
  else headers[known] = [headers[known] ?? [], value].flat();
}
