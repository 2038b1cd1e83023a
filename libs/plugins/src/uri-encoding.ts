// What nginx escapes in a URI (ngx_escape_uri, NGX_ESCAPE_URI, since 1.21.1): control characters,
// everything beyond ASCII, and ` "#%<>?\^`{|}`.
const UNSAFE_IN_PATH = /[\0-\x20"#%<>?\\^`{|}\x7f]|[^\0-\x7f]+/g;
const RESERVED = /[^A-Za-z0-9\-._~]+/g;
const CONTROL = /[\0-\x1f\x7f]/g;

/** Percent-encodes a decoded path. `?` too: it belongs to the path, not before a query. */
export function encodePath(path: string): string {
  return path.replace(UNSAFE_IN_PATH, percentEncoded);
}

/** Leaves delimiters alone, but lets no CR/LF of a variable or capture into the request line. */
export function encodeControlCharacters(text: string): string {
  return text.replace(CONTROL, percentEncoded);
}

/** A value for a query: as ngx.escape_uri, everything but RFC 3986's unreserved characters. */
export function encodeComponent(text: string): string {
  return text.replace(RESERVED, percentEncoded);
}

/** Query of these arguments, without `?`. */
export function encodeArguments(args: Readonly<Record<string, string>>): string {
  return Object.entries(args)
    .map(([name, value]) => `${encodeComponent(name)}=${encodeComponent(value)}`)
    .join('&');
}

function percentEncoded(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
