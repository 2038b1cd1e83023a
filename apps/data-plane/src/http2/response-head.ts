import type { OutgoingHttpHeaders } from 'node:http2';
import type { HeaderList } from '@polygate/plugin-sdk';
import { http2FieldText } from '../proxy/http2-fields.ts';

/** A response's head as node:http2 takes it. */
export interface Http2ResponseHead {
  /** Alternating names and values, `:status` first. */
  readonly raw: string[];
  /** From Content-Length; undefined where there is none. */
  readonly length: number | undefined;
  /** Names and values, before compression. */
  readonly bytes: number;
}

/**
 * Headers of an HTTP/1 connection are left out. Throws a `TypeError` where a name or value would split
 * the answer.
 */
export function responseHead(status: number, headers: HeaderList): Http2ResponseHead {
  const raw = [':status', String(status)];
  let length: number | undefined;
  let bytes = 7 + 3;
  for (let i = 0; i < headers.size; i++) {
    const name = headers.lowerNameAt(i);
    const value = http2FieldText(name, headers.valueAt(i));
    if (value === undefined) continue;
    if (name === 'content-length') length = /^[0-9]{1,15}$/.test(value) ? Number(value) : undefined;
    raw.push(name, value);
    bytes += name.length + value.length;
  }
  return { raw, length, bytes };
}

/** For 1xx and trailers, which node:http2 takes as an object only. */
export function headerObject(headers: HeaderList): OutgoingHttpHeaders {
  const object: Record<string, string | string[]> = Object.create(null) as Record<string, string>;
  headers.forEach((_name, raw, name) => {
    const value = http2FieldText(name, raw);
    if (value === undefined || name === 'content-length') return;
    const known = object[name];
    object[name] =
      known === undefined ? value : [...(typeof known === 'string' ? [known] : known), value];
  });
  return object;
}
