import { HeaderList } from '@polygate/plugin-sdk';
import type { HeadLimits } from '../http1/head-parser.ts';

/** A request's head, checked, in the form that HTTP/1 requests have. */
export interface Http2RequestHead {
  readonly method: string;
  readonly target: string;
  /** `:authority` is here as `host`; cookie crumbs are one line. */
  readonly headers: HeaderList;
  readonly contentLength: number | undefined;
  /** As RFC 9113 counts SETTINGS_MAX_HEADER_LIST_SIZE. */
  readonly bytes: number;
}

/** Why a request is answered without anybody having seen it. */
export interface HeadFault {
  readonly status: 400 | 405 | 414 | 431;
  readonly reason: string;
}

/** RFC 9113, 6.5.2: what a field counts beyond its name and value. */
const FIELD_OVERHEAD_BYTES = 32;
const COLON = 0x3a;
const SLASH = 0x2f;
/** nghttp2 lets lower-case tokens through only; this is the second lock. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What splits a message. */
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
/** Spaces and control characters. */
const NOT_IN_TARGET = /[\0-\x20\x7f]/;
/** As over HTTP/1, where nginx takes these. */
const METHOD = /^[A-Z_-]{1,32}$/;
const METHODS_REFUSED = new Set(['CONNECT', 'TRACE']);
/** Host and port; no userinfo, which RFC 9113 forbids here. */
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z\-._~!$&'()*+;=]+)(?::[0-9]{0,5})?$/;
/** They speak of an HTTP/1 connection (RFC 9113, 8.2.2). */
const CONNECTION_SPECIFIC = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

class HeadReader {
  readonly #keepsUnderscores: boolean;
  method: string | undefined;
  path: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  host: string | undefined;
  cookie: string | undefined;
  contentLength: string | undefined;
  bytes = 0;
  readonly headers = new HeaderList();

  constructor(limits: HeadLimits) {
    this.#keepsUnderscores = limits.underscoresInHeaders ?? true;
  }

  /** What is wrong with it; undefined: nothing. */
  addPseudo(name: string, value: string): string | undefined {
    if (this.headers.size > 0 || this.host !== undefined || this.cookie !== undefined) {
      return `${name} behind a header`;
    }
    if (value === '' && name !== ':authority') return `empty ${name}`;
    switch (name) {
      case ':method':
        if (this.method !== undefined) return 'second :method';
        this.method = value;
        return undefined;
      case ':path':
        if (this.path !== undefined) return 'second :path';
        this.path = value;
        return undefined;
      case ':scheme':
        if (this.scheme !== undefined) return 'second :scheme';
        this.scheme = value;
        return undefined;
      case ':authority':
        if (this.authority !== undefined) return 'second :authority';
        this.authority = value;
        return undefined;
      default:
        return 'unknown pseudo header';
    }
  }

  addField(name: string, value: string): string | undefined {
    if (!NAME.test(name)) return 'malformed header name';
    if (CONTROL.test(value)) return `control character in ${name}`;
    switch (name) {
      case 'host':
        if (this.host !== undefined) return 'second host';
        this.host = value;
        return undefined;
      case 'cookie':
        // RFC 9113, 8.2.3: HTTP/1 must see one line
        this.cookie = this.cookie === undefined ? value : `${this.cookie}; ${value}`;
        return undefined;
      case 'te':
        if (value.toLowerCase() !== 'trailers') return 'te other than trailers';
        break;
      case 'content-length':
        if (this.contentLength !== undefined) return 'second content-length';
        if (!/^[0-9]{1,15}$/.test(value)) return 'malformed content-length';
        this.contentLength = value;
        break;
      default:
        if (CONNECTION_SPECIFIC.has(name)) return `connection-specific ${name}`;
    }
    if (this.#keepsUnderscores || !name.includes('_')) this.headers.appendKnown(name, name, value);
    return undefined;
  }
}

/**
 * Reads what HPACK gave: alternating names and values. Refuses everything that an HTTP/1 peer could
 * understand in another way (RFC 9113, 8.2, 8.3 and 10.3), though nghttp2 has refused most of it.
 */
export function readRequestHead(
  raw: readonly string[],
  limits: HeadLimits,
): Http2RequestHead | HeadFault {
  if (raw.length / 2 > limits.headersMax + PSEUDO_HEADERS) return fault(431, 'too many headers');
  const reader = new HeadReader(limits);
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    reader.bytes += name.length + value.length + FIELD_OVERHEAD_BYTES;
    const wrong =
      name.charCodeAt(0) === COLON ? reader.addPseudo(name, value) : reader.addField(name, value);
    if (wrong !== undefined) return fault(400, wrong);
  }
  if (reader.bytes > limits.headBytesMax) return fault(431, 'header list too large');
  return checkHead(reader, limits);
}

const PSEUDO_HEADERS = 4;

function checkHead(reader: HeadReader, limits: HeadLimits): Http2RequestHead | HeadFault {
  const { method, path, scheme, authority, host, headers } = reader;
  if (method === undefined || !METHOD.test(method)) return fault(400, 'no usable :method');
  // nginx answers 405 too; extended CONNECT was never offered
  if (METHODS_REFUSED.has(method)) return fault(405, `method ${method}`);
  if (path === undefined || !isTarget(path, method)) return fault(400, 'no usable :path');
  if (path.length > limits.targetBytesMax) return fault(414, ':path too long');
  if (scheme !== 'http' && scheme !== 'https') return fault(400, 'no usable :scheme');
  const name = authority ?? host;
  if (name === undefined || !AUTHORITY.test(name)) return fault(400, 'no usable :authority');
  // two names for one request: the classic way past a rule on one of them
  if (host !== undefined && host.toLowerCase() !== name.toLowerCase()) {
    return fault(400, 'host is not :authority');
  }
  const contentLength =
    reader.contentLength === undefined ? undefined : Number(reader.contentLength);
  headers.appendKnown('host', 'host', name);
  if (reader.cookie !== undefined) headers.appendKnown('cookie', 'cookie', reader.cookie);
  return { method, target: path, headers, contentLength, bytes: reader.bytes };
}

function isTarget(path: string, method: string): boolean {
  if (NOT_IN_TARGET.test(path)) return false;
  return path.charCodeAt(0) === SLASH || (path === '*' && method === 'OPTIONS');
}

/** Trailers of a request; what has a meaning for framing or routing is left out (RFC 9110, 6.5.1). */
export function readTrailers(raw: readonly string[]): HeaderList | undefined {
  const trailers = new HeaderList();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (!NAME.test(name) || CONTROL.test(value) || NOT_IN_TRAILERS.has(name)) continue;
    trailers.appendKnown(name, name, value);
  }
  return trailers.size === 0 ? undefined : trailers;
}

const NOT_IN_TRAILERS = new Set([
  ...CONNECTION_SPECIFIC,
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'te',
  'trailer',
]);

function fault(status: HeadFault['status'], reason: string): HeadFault {
  return { status, reason };
}
