import {
  FailureReason,
  type Entry,
  type ExtraInfoQuestion,
  type ManagerFrame,
  type RequestCall,
  type RequestResult,
  type ResponseCall,
} from '@polygate/rpc';
import {
  decodeHttpReqCallResponse,
  decodeHttpRespCallResponse,
  encodeFrame,
  encodeHttpReqCallRequestFrame,
  encodeHttpRespCallRequest,
  FrameType,
  type ExtraInfoRequest,
  type HttpReqCallAction,
  type TextEntry,
} from '@polygate/runner-protocol';
import { CallError } from '../call-error.ts';

/** What a data plane is answered when a call went well. */
export type CallResult = NonNullable<ManagerFrame['frame']>;

/** A call as the runner takes it, from either phase. */
export interface CallKind {
  readonly frameType: number;
  /** As APISIX names it in its log. */
  readonly rpcName: string;
  /** The whole frame. @throws {ProtocolError} when the call does not fit the protocol. */
  encode(id: number, confToken: number): Buffer;
  /** @throws {ProtocolError} @throws {CallError} when it answers another call. */
  decode(payload: Uint8Array, id: number, requiresReplyId: boolean): CallResult;
}

export class RequestCallKind implements CallKind {
  readonly frameType = FrameType.HTTP_REQ_CALL;
  readonly rpcName = 'RPC_HTTP_REQ_CALL';
  readonly #call: RequestCall;

  /** @throws {CallError} INVALID_CALL */
  constructor(call: RequestCall) {
    const { length } = call.sourceIp;
    if (length !== 4 && length !== 16) {
      const message = `source_ip has ${length} bytes, not 4 or 16`;
      throw new CallError(FailureReason.INVALID_CALL, message);
    }
    this.#call = call;
  }

  encode(id: number, confToken: number): Buffer {
    const { sourceIp: srcIp, method, path, args, headers } = this.#call;
    const request = { id, srcIp, method, path, args, headers, confToken };
    return encodeHttpReqCallRequestFrame(request);
  }

  decode(payload: Uint8Array, id: number, requiresReplyId: boolean): CallResult {
    const response = decodeHttpReqCallResponse(payload);
    const isOurs = response.id === id || (response.id === 0 && !requiresReplyId);
    if (!isOurs) throw wrongId(response.id, id);
    return { $case: 'requestResult', value: { action: requestAction(response.action) } };
  }
}

export class ResponseCallKind implements CallKind {
  readonly frameType = FrameType.HTTP_RESP_CALL;
  readonly rpcName = 'RPC_HTTP_RESP_CALL';
  readonly #call: ResponseCall;

  constructor(call: ResponseCall) {
    this.#call = call;
  }

  encode(id: number, confToken: number): Buffer {
    const { status, headers } = this.#call;
    const payload = encodeHttpRespCallRequest({ id, status, headers, confToken });
    return encodeFrame(this.frameType, payload);
  }

  /** The Go runner leaves the id out of these, so it proves nothing. */
  decode(payload: Uint8Array): CallResult {
    const { status, headers, body } = decodeHttpRespCallResponse(payload);
    const value = { status, headers: entries(headers), body: buffer(body) };
    return { $case: 'responseResult', value };
  }
}

export function extraInfoQuestion(request: ExtraInfoRequest): ExtraInfoQuestion {
  switch (request.kind) {
    case 'variable':
      return { info: { $case: 'variable', value: { name: request.name } } };
    case 'requestBody':
      return { info: { $case: 'requestBody', value: {} } };
    case 'responseBody':
      return { info: { $case: 'responseBody', value: {} } };
  }
}

/**
 * Python reports an error in a frame of the call's own type, which reads as "continue" without an
 * id: taken at its word, a plugin that fails would let everybody in.
 */
function wrongId(got: number, expected: number): CallError {
  return new CallError(
    FailureReason.PROTOCOL,
    `failed to receive RPC_HTTP_REQ_CALL: unexpected id ${got} instead of ${expected}`,
    { tokenDoubtful: got === 0 },
  );
}

function requestAction(action: HttpReqCallAction): RequestResult['action'] {
  switch (action.kind) {
    case 'continue':
      return { $case: 'continue', value: {} };
    case 'stop': {
      const { status, headers, body } = action;
      return { $case: 'stop', value: { status, headers: entries(headers), body: buffer(body) } };
    }
    case 'rewrite':
      return {
        $case: 'rewrite',
        value: {
          path: action.path,
          headers: entries(action.headers),
          args: entries(action.args),
          responseHeaders: entries(action.respHeaders),
          body: buffer(action.body),
        },
      };
  }
}

/** The generated type is not readonly; nobody writes to it. */
function entries(list: readonly TextEntry[]): Entry[] {
  return list as Entry[];
}

function buffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
