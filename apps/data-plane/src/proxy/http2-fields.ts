import { HeaderList } from '@polygate/plugin-sdk';

/** They speak of an HTTP/1 connection; a peer of HTTP/2 must refuse a message that has one. */
const NOT_IN_HTTP2 = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const COLON = 0x3a;
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What ends a field early. */
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

/**
 * Whether a field can be said in HTTP/2. node:http2 hands all fields over as one string with NUL between
 * its parts and looks at names only: a NUL in a value would begin another field.
 */
export function isHttp2Field(lowerName: string, value: string): boolean {
  return !NOT_IN_HTTP2.has(lowerName) && NAME.test(lowerName) && !CONTROL.test(value);
}

/** Of alternating names and values, as HPACK gave them; pseudo headers are left out. */
export function readFields(raw: readonly string[]): HeaderList {
  const headers = new HeaderList();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.charCodeAt(0) === COLON) continue;
    headers.appendKnown(name, name, raw[i + 1] as string);
  }
  return headers;
}
