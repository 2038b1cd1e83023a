import { luaNumber } from '@polygate/model';
import type { ProtoResource } from '@polygate/model';
import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { httpStatusOf, statusBody } from './grpc-status.ts';
import { definition } from './grpc-transcode.schema.ts';
import type { GrpcTranscodeConf } from './grpc-transcode.schema.ts';
import { luaJson } from './lua-json.ts';
import { decodeMessage, decodeOptions } from './proto-decode.ts';
import type { DecodeOptions } from './proto-decode.ts';
import { encodeMessage, ProtoValueError } from './proto-encode.ts';
import { ProtoShapes } from './proto-shapes.ts';
import type { MethodShape } from './proto-shapes.ts';
import { mapMessage, requestValues } from './request-values.ts';

const EMPTY = Buffer.alloc(0);
/** Whether it is compressed, and its length. */
const FRAME_HEAD_BYTES = 5;

interface Prepared {
  readonly conf: GrpcTranscodeConf;
  readonly options: DecodeOptions;
  readonly findProto: PluginEnvironment['findProto'];
  /** A key per conf: the plugin may stand in a global rule too. */
  readonly call: ContextKey<Call>;
}

/** A request that was transcoded, and what came of its answer. */
interface Call {
  readonly proto: ProtoShapes;
  readonly method: MethodShape;
  readonly chunks: Buffer[];
  bytes: number;
  isAnswered: boolean;
}

/** By the stored proto: another version of it is another object. */
const shapesOf = new WeakMap<ProtoResource, ProtoShapes>();

/** Source: apisix/plugins/grpc-transcode.lua, and the folder of that name. */
export default definePlugin<GrpcTranscodeConf, Prepared>(definition, {
  prepare: (conf, { findProto }) => ({
    conf,
    options: decodeOptions(conf.pb_option),
    findProto,
    call: contextKey('grpc-transcode call'),
  }),

  async access(ctx, { conf, findProto, call }) {
    const proto = loadShapes(String(conf.proto_id), findProto, ctx);
    // as in APISIX, the request goes on as it came
    if (proto === undefined) return;
    const method = proto.findMethod(conf.service, conf.method);
    if (method === undefined) {
      ctx.log.error(
        'transform request error: Undefined service method: ' +
          `${conf.service}/${conf.method} end`,
      );
      return { status: 503 };
    }
    const values = await requestValues(ctx.request);
    let message: Buffer;
    try {
      message = encodeMessage(method.input, mapMessage(method.input, values));
    } catch (error) {
      if (!(error instanceof ProtoValueError)) throw error;
      ctx.log.error('transform request error: failed to encode request data to protobuf');
      return { status: 400 };
    }
    send(ctx, conf, message);
    ctx.set(call, { proto, method, chunks: [], bytes: 0, isAnswered: false });
    return undefined;
  },

  headerFilter({ response }) {
    if (response.status >= 300) return;
    response.headers.set('Content-Type', 'application/json');
    response.clearContentLength();
    const grpcStatus = response.headers.get('grpc-status');
    if (grpcStatus !== undefined && grpcStatus !== '0') response.status = httpStatusOf(grpcStatus);
  },

  bodyFilter(ctx, prepared, chunk, last) {
    const { conf } = prepared;
    const call = ctx.get(prepared.call);
    if (call === undefined || (ctx.response.status >= 300 && !conf.show_status_in_body)) {
      return undefined;
    }
    if (call.isAnswered) return EMPTY;
    call.chunks.push(chunk);
    call.bytes += chunk.length;
    if (!last && call.bytes < conf.max_resp_body_size) return EMPTY;
    call.isAnswered = true;
    const body = Buffer.concat(call.chunks).subarray(0, conf.max_resp_body_size);
    call.chunks.length = 0;
    return Buffer.from(answer(ctx, prepared, call, body), 'latin1');
  },
});

function loadShapes(
  id: string,
  findProto: PluginEnvironment['findProto'],
  ctx: RequestContext,
): ProtoShapes | undefined {
  const stored = findProto(id);
  if (stored === undefined) {
    ctx.log.error(`proto load error: failed to find proto by id: ${id}`);
    return undefined;
  }
  let shapes = shapesOf.get(stored);
  if (shapes !== undefined) return shapes;
  try {
    shapes = new ProtoShapes(stored.content);
  } catch (error) {
    ctx.log.error(`proto load error: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
  shapesOf.set(stored, shapes);
  return shapes;
}

function send({ request }: RequestContext, conf: GrpcTranscodeConf, message: Buffer): void {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  request.method = 'POST';
  request.upstreamPath = `/${conf.service}/${conf.method}`;
  request.query = '';
  request.setBody(Buffer.concat([head, message]));
  if (conf.deadline > 0) request.headers.set('grpc-timeout', `${luaNumber(conf.deadline)}m`);
}

/** The client's body, one character a byte. */
function answer(
  ctx: RequestContext,
  { conf, options }: Prepared,
  { proto, method }: Call,
  body: Buffer,
): string {
  const failed = (text: string, cause?: unknown): string => {
    const why = cause instanceof Error ? `, err: ${cause.message}` : '';
    ctx.log.error(`transform response error: ${text}${why}`);
    return text;
  };
  if (ctx.response.status >= 300) {
    const status = statusBody(ctx.response.headers, conf.status_detail_type, proto, options);
    if (status === undefined) return body.toString('latin1');
    if (status.problem !== undefined) {
      ctx.log.error(`transform response error: ${status.problem}`);
    }
    return status.body;
  }
  const isFramed = ctx.request.headers.get('X-Grpc-Web') === undefined;
  const message = isFramed ? body.subarray(FRAME_HEAD_BYTES) : body;
  let decoded: ReturnType<typeof decodeMessage>;
  try {
    decoded = decodeMessage(method.output, message, options);
  } catch (error) {
    return failed('failed to decode response data by protobuf', error);
  }
  try {
    return luaJson(decoded);
  } catch (error) {
    return failed('failed to json_encode response body', error);
  }
}
