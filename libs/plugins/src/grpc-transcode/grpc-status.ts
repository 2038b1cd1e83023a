import type { HeaderList } from '@polygate/plugin-sdk';
import { decodeBase64 } from '../base64.ts';
import { luaJson } from './lua-json.ts';
import { decodeMessage } from './proto-decode.ts';
import type { DecodedMessage, DecodeOptions } from './proto-decode.ts';
import { ProtoShapes } from './proto-shapes.ts';

/** From google.rpc.Code, as https://cloud.google.com/apis/design/errors has it. */
const HTTP_STATUS: Readonly<Record<string, number>> = {
  1: 499,
  2: 500,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 400,
  12: 501,
  13: 500,
  14: 503,
  15: 500,
  16: 401,
};
const UNKNOWN_STATUS = 599;

/** google.rpc.Status. */
const STATUS_PROTO = `
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message ErrorStatus { int32 code = 1; string message = 2; repeated Any details = 3; }
`;
const PLAIN: DecodeOptions = { enumAsValue: false, int64: 'number', defaults: 'auto' };
let statusShapes: ProtoShapes | undefined;

/** Of a `grpc-status` other than 0. */
export function httpStatusOf(grpcStatus: string): number {
  return Object.hasOwn(HTTP_STATUS, grpcStatus)
    ? (HTTP_STATUS[grpcStatus] ?? UNKNOWN_STATUS)
    : UNKNOWN_STATUS;
}

/** What a client is told, and what the log says of it where something is wrong. */
export interface StatusBody {
  readonly body: string;
  readonly problem?: string;
}

/**
 * The body in latin1 that tells of `grpc-status-details-bin`; undefined without that header. Details are
 * decoded as messages of `detailType`, when that is given.
 */
export function statusBody(
  headers: HeaderList,
  detailType: string | undefined,
  proto: ProtoShapes,
  options: DecodeOptions,
): StatusBody | undefined {
  const header = headers.get('grpc-status-details-bin');
  if (header === undefined) return undefined;
  const bytes = decodeBase64(header);
  if (bytes === undefined) return failure('grpc-status-details-bin is not base64 format');
  statusShapes ??= new ProtoShapes(STATUS_PROTO);
  const shape = statusShapes.findMessage('ErrorStatus');
  if (shape === undefined) return failure('failed to decode grpc-status-details-bin');
  let status: DecodedMessage;
  try {
    status = decodeMessage(shape, bytes, PLAIN);
  } catch (error) {
    return failure('failed to call pb.decode to decode grpc-status-details-bin', error);
  }
  if (detailType !== undefined) {
    try {
      status['details'] = decodeDetails(status, detailType, proto, options);
    } catch (error) {
      const message = 'failed to call pb.decode to decode details in grpc-status-details-bin';
      return failure(message, error);
    }
  }
  try {
    return { body: luaJson({ error: status }) };
  } catch (error) {
    return failure('failed to json_encode response body', error, 'error');
  }
}

function decodeDetails(
  status: DecodedMessage,
  detailType: string,
  proto: ProtoShapes,
  options: DecodeOptions,
): DecodedMessage[] {
  const details = status['details'] as readonly DecodedMessage[];
  return details.map((detail) => {
    const shape = proto.findMessage(detailType);
    if (shape === undefined) throw new Error(`type '${detailType}' does not exists`);
    return decodeMessage(shape, Buffer.from(detail['value'] as string, 'latin1'), options);
  });
}

function failure(body: string, error?: unknown, word = 'err'): StatusBody {
  if (error === undefined) return { body, problem: body };
  const cause = (error as Error).message;
  return { body, problem: `${body}, ${word}: ${cause}` };
}
