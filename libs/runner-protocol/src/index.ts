export {
  encodeErrorResponse,
  decodeErrorResponse,
  ErrorCode,
  errorText,
  type ErrorResponse,
} from './error-response.ts';
export { ProtocolError, type ProtocolErrorCode } from './errors.ts';
export {
  decodeExtraInfoRequest,
  decodeExtraInfoResponse,
  encodeExtraInfoRequest,
  encodeExtraInfoResponse,
  type ExtraInfoRequest,
  type ExtraInfoResponse,
} from './extra-info.ts';
export {
  encodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  FrameDecoder,
  FrameType,
  type Frame,
} from './frame.ts';
export {
  decodeHttpReqCallRequest,
  decodeHttpReqCallResponse,
  encodeHttpReqCallRequest,
  encodeHttpReqCallRequestFrame,
  encodeHttpReqCallResponse,
  encodeHttpReqCallResponseFrame,
  type HttpReqCallAction,
  type HttpReqCallRequest,
  type HttpReqCallResponse,
  type HttpReqCallView,
  type RewriteAction,
  type StopAction,
  viewHttpReqCallRequest,
} from './http-req-call.ts';
export {
  decodeHttpRespCallRequest,
  decodeHttpRespCallResponse,
  encodeHttpRespCallRequest,
  encodeHttpRespCallResponse,
  encodeHttpRespCallResponseFrame,
  type HttpRespCallRequest,
  type HttpRespCallResponse,
} from './http-resp-call.ts';
export { methodNumber, METHODS } from './method.ts';
export {
  decodePrepareConfRequest,
  decodePrepareConfResponse,
  encodePrepareConfRequest,
  encodePrepareConfResponse,
  type PrepareConfRequest,
  type PrepareConfResponse,
} from './prepare-conf.ts';
export type { TextEntry } from './text-entry.ts';
