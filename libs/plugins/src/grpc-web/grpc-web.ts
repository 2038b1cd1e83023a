import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { HeaderList, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { decodeBase64 } from '../base64.ts';
import { readBoundedBody } from '../bounded-body.ts';
import { ALLOWED_ORIGIN } from '../cors/allowed-origin.ts';
import { encodePath } from '../uri-encoding.ts';
import { definition } from './grpc-web.schema.ts';
import type { GrpcWebConf } from './grpc-web.schema.ts';

/** Of a frame that holds trailers, and no message. */
const TRAILERS_FLAG = 0x80;
const FRAME_HEAD_BYTES = 5;
const EXPOSED_HEADERS = 'grpc-message,grpc-status';

/** How bodies of each content type are written. */
const ENCODINGS: ReadonlyMap<string, Encoding> = new Map<string, Encoding>([
  ['application/grpc-web', 'binary'],
  ['application/grpc-web-text', 'base64'],
  ['application/grpc-web+proto', 'binary'],
  ['application/grpc-web-text+proto', 'base64'],
]);

type Encoding = 'binary' | 'base64';

interface Call {
  readonly mime: string | undefined;
  /** Undefined: the plugin answered itself. */
  readonly encoding: Encoding | undefined;
  /** The status stands in the head, and no trailers follow the body. */
  isStatusSent: boolean;
}

const currentCall = contextKey<Call>('grpc-web call');

/** Source: apisix/plugins/grpc-web.lua. */
export default definePlugin<GrpcWebConf>(definition, {
  async access(ctx, conf) {
    const { request } = ctx;
    const mime = request.headers.get('content-type');
    const exit = (status: number, why?: string): LocalReply => {
      if (why !== undefined) ctx.log.error(why);
      ctx.set(currentCall, { mime, encoding: undefined, isStatusSent: false });
      return { status };
    };
    if (request.method === 'OPTIONS') return exit(204);
    if (request.method !== 'POST') {
      return exit(405, `request method: \`${request.method}\` invalid`);
    }
    const encoding = mime === undefined ? undefined : ENCODINGS.get(mime);
    if (encoding === undefined) {
      return exit(400, `request Content-Type: \`${mime ?? 'nil'}\` invalid`);
    }
    const read = await readBoundedBody(request, conf.max_req_body_size);
    if (typeof read === 'string' || read.length === 0) {
      const why = typeof read === 'string' ? read : 'nil';
      return exit(400, `failed to read request body, err: ${why}`);
    }
    const body = encoding === 'base64' ? decodeBase64(read.toString('latin1')) : read;
    if (body === undefined) return exit(400, 'failed to decode request body');

    const path = ctx.vars.get('uri_param_:ext');
    if (path) request.upstreamPath = encodePath(path.startsWith('/') ? path : `/${path}`);
    request.headers.set('Content-Type', 'application/grpc');
    request.setBody(body);
    ctx.set(currentCall, { mime, encoding, isStatusSent: false });
    return undefined;
  },

  headerFilter(ctx, conf) {
    const { headers } = ctx.response;
    tellOrigins(ctx, conf);
    const call = ctx.get(currentCall);
    if (call !== undefined && call.encoding === undefined) return;
    if (call?.mime === undefined) headers.delete('Content-Type');
    else headers.set('Content-Type', call.mime);
    ctx.response.clearContentLength();
    if (call !== undefined) call.isStatusSent = headers.has('grpc-status');
  },

  bodyFilter(ctx, _conf, chunk, last) {
    const call = ctx.get(currentCall);
    if (call?.encoding === undefined) return undefined;
    const encode = (bytes: Buffer): Buffer =>
      call.encoding === 'base64' ? Buffer.from(bytes.toString('base64')) : bytes;
    if (!last || call.isStatusSent) return encode(chunk);
    // each piece has padding of its own, as clients expect it
    return Buffer.concat([encode(chunk), encode(trailersFrame(ctx.response.trailers))]);
  },
});

function tellOrigins(ctx: RequestContext, conf: GrpcWebConf): void {
  const { headers } = ctx.response;
  if (ctx.request.method === 'OPTIONS') {
    headers.set('Access-Control-Allow-Methods', 'POST');
    headers.set('Access-Control-Allow-Headers', conf.cors_allow_headers);
  }
  if (ctx.get(ALLOWED_ORIGIN) === undefined) headers.set('Access-Control-Allow-Origin', '*');
  headers.set('Access-Control-Expose-Headers', EXPOSED_HEADERS);
}

/** The trailers as the last frame of the body, since browsers do not show those of HTTP. */
function trailersFrame(trailers: HeaderList | undefined): Buffer {
  const status = trailers?.get('grpc-status');
  const isKnown = status !== undefined && status !== '';
  const message = isKnown
    ? (trailers?.get('grpc-message') ?? '')
    : 'upstream grpc status not received';
  const lines = `grpc-status:${isKnown ? status : '2'}\r\ngrpc-message:${message}\r\n`;
  const text = Buffer.from(lines, 'latin1');
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt8(TRAILERS_FLAG);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, text]);
}
