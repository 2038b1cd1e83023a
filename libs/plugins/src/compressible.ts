import type { ClientResponse, RequestContext } from '@polygate/plugin-sdk';

/** What gzip and brotli have in common in their confs. */
export interface CompressionConf {
  readonly types: readonly string[] | '*';
  /** Bytes. */
  readonly min_length: number;
  readonly http_version: 1 | 1.1;
  readonly vary?: boolean;
}

export const COMPRESSION_TYPES = {
  anyOf: [{ type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } }, { enum: ['*'] }],
  default: ['text/html'],
};

export const COMPRESSION_PROPERTIES = {
  min_length: { type: 'integer', minimum: 1, default: 20 },
  http_version: { enum: [1.1, 1.0], default: 1.1 },
  vary: { type: 'boolean' },
};

/** Whether a response is one to compress, as far as the conf says. */
export type Compressible = (ctx: RequestContext) => boolean;

/** Source: header_filter of apisix/plugins/gzip.lua and brotli.lua. */
export function compileCompressible(conf: CompressionConf): Compressible {
  const types = conf.types === '*' ? undefined : new Set(conf.types);
  const { min_length: bytesMin } = conf;
  const forOldClients = conf.http_version < 1.1;
  return ({ response: { headers }, vars }) => {
    const type = headers.getKnown('content-type');
    if (type === undefined) return false;
    if (types !== undefined && !types.has(beforeSemicolon(type))) return false;
    const length = headers.getKnown('content-length');
    if (length !== undefined && Number(length) < bytesMin) return false;
    return forOldClients || vars.get('server_protocol') !== 'HTTP/1.0';
  };
}

function beforeSemicolon(type: string): string {
  const semicolon = type.indexOf(';');
  return semicolon === -1 ? type : type.slice(0, semicolon);
}

/** Whether there is a body at all to compress. */
export function hasBody({ request, response: { status } }: RequestContext): boolean {
  return request.method !== 'HEAD' && status !== 204 && status !== 304 && status >= 200;
}

const ETAG = /^(W\/)?"[^"]*"$/;

/** The bytes change from here on: their length, their ranges and their strong name no longer hold. */
export function setContentEncoding(response: ClientResponse, encoding: string): void {
  const { headers } = response;
  response.clearContentLength();
  headers.deleteKnown('accept-ranges');
  headers.setKnown('Content-Encoding', 'content-encoding', encoding);
  const etag = headers.getKnown('etag');
  if (etag === undefined) return;
  const match = ETAG.exec(etag);
  if (match === null) headers.deleteKnown('etag');
  else if (match[1] === undefined) headers.setKnown('ETag', 'etag', `W/${etag}`);
}
