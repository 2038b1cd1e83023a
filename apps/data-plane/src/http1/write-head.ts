import { STATUS_CODES } from 'node:http';
import { HOP_BY_HOP } from '@polygate/plugin-sdk';
import type { HeaderList } from '@polygate/plugin-sdk';
import { FieldLines, fieldText, isToken } from './field-lines.ts';

/** How the end of a body is told. `none`: by no field (1xx, 204, a request without a body). */
export type Framing = 'length' | 'chunked' | 'close' | 'none';

export interface ResponseHead {
  /** 100 to 999. */
  readonly status: number;
  /** Undefined: the usual words for that status. */
  readonly reason: string | undefined;
  /** Hop-by-hop and framing names in it are skipped. */
  readonly headers: HeaderList;
  readonly framing: Framing;
  /** Bytes; only read where `framing` is `length`. */
  readonly contentLength: number;
  /** False: `Connection: close`, as framing `close` says in any case. 1xx heads have no Connection. */
  readonly keepAlive: boolean;
  /** With a 101: the protocol (`Connection: upgrade`). */
  readonly upgrade: string | undefined;
  /** Value for `Date` where the list has none; undefined: no Date is added. */
  readonly date: string | undefined;
}

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  /** Host, hop-by-hop and framing names in it are skipped. */
  readonly headers: HeaderList;
  readonly framing: 'length' | 'chunked' | 'none';
  /** Bytes; only read where `framing` is `length`. */
  readonly contentLength: number;
  /** False: `Connection: close`. True: HTTP/1.1's default, nothing is said. */
  readonly keepAlive: boolean;
  /** The protocol to switch to (`Connection: upgrade`). */
  readonly upgrade: string | undefined;
}

const LENGTH = 'content-length';
const responseLines = new FieldLines(new Set([...HOP_BY_HOP, LENGTH]));
const requestLines = new FieldLines(new Set([...HOP_BY_HOP, LENGTH, 'host']));
const trailerLines = new FieldLines(new Set([...HOP_BY_HOP, LENGTH, 'host']));

/** By status, with the usual reason. */
const statusLines: (string | undefined)[] = [];

/** What a target must not have: it would end the request line, or be cut down by a Latin-1 write. */
const NOT_IN_TARGET = /[\0-\x20\x7f\u0100-\uffff]/;

/**
 * A response head as Latin-1 text, always HTTP/1.1. Framing comes from the arguments alone. Throws a
 * `TypeError` where a name, a value or the reason would break out of its line (RFC 9112 section 11.1).
 */
export function responseHeadText(head: ResponseHead): string {
  const { headers } = head;
  let text = statusLine(head.status, head.reason) + responseLines.text(headers);
  if (head.date !== undefined && !headers.has('date')) text += `\r\nDate: ${head.date}`;
  text += framingLine(head.framing, head.contentLength);
  if (head.upgrade !== undefined) return text + upgradeLines(head.upgrade);
  if (head.status < 200) return `${text}\r\n\r\n`;
  const staysOpen = head.keepAlive && head.framing !== 'close';
  return (
    text + (staysOpen ? '\r\nConnection: keep-alive\r\n\r\n' : '\r\nConnection: close\r\n\r\n')
  );
}

/** A request head as Latin-1 text, always HTTP/1.1. Throws a `TypeError` as `responseHeadText`. */
export function requestHeadText(head: RequestHead): string {
  const { method, target } = head;
  if (!isToken(method)) throw new TypeError(`method is invalid: ${JSON.stringify(method)}`);
  if (target === '' || NOT_IN_TARGET.test(target)) {
    throw new TypeError(`request target is invalid: ${JSON.stringify(target)}`);
  }
  const text =
    `${method} ${target} HTTP/1.1\r\nHost: ${fieldText(head.host, 'Host')}` +
    requestLines.text(head.headers) +
    framingLine(head.framing, head.contentLength);
  if (head.upgrade !== undefined) return text + upgradeLines(head.upgrade);
  return text + (head.keepAlive ? '\r\n\r\n' : '\r\nConnection: close\r\n\r\n');
}

/** What stands behind `0 CRLF` at the end of a chunked body: trailers and the empty line. */
export function trailersText(trailers: HeaderList | undefined): string {
  if (trailers === undefined || trailers.size === 0) return '\r\n';
  const lines = trailerLines.text(trailers);
  return lines === '' ? '\r\n' : `${lines.slice(2)}\r\n\r\n`;
}

function statusLine(status: number, reason: string | undefined): string {
  if (!(Number.isInteger(status) && status >= 100 && status <= 999)) {
    throw new TypeError(`status is invalid: ${status}`);
  }
  if (reason !== undefined && reason !== STATUS_CODES[status]) {
    return `HTTP/1.1 ${status} ${fieldText(reason, 'reason')}`;
  }
  return (statusLines[status] ??= `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`);
}

function framingLine(framing: Framing, contentLength: number): string {
  if (framing === 'chunked') return '\r\nTransfer-Encoding: chunked';
  if (framing !== 'length') return '';
  if (!Number.isSafeInteger(contentLength) || contentLength < 0) {
    throw new TypeError(`content length is invalid: ${contentLength}`);
  }
  return `\r\nContent-Length: ${contentLength}`;
}

function upgradeLines(protocol: string): string {
  return `\r\nUpgrade: ${fieldText(protocol, 'Upgrade')}\r\nConnection: upgrade\r\n\r\n`;
}
