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
  encodeHttpReqCallRequest,
  encodeHttpRespCallRequest,
  FrameType,
  type ExtraInfoRequest,
  type HttpReqCallAction,
  type TextEntry,
} from '@polygate/runner-protocol';
import { CallError } from '../call-error.ts';

type Result = NonNullable<ManagerFrame['frame']>;

/** A call as the runner takes it, from either phase. */
export interface RunnerCallKind {
  readonly frameType: number;
  /** As APISIX names it in its log. */
  readonly rpcName: string;
  /** @throws {ProtocolError} when the call does not fit the protocol. */
  encode(id: number, confToken: number): Uint8Array;
  /** @throws {ProtocolError} @throws {CallError} when it answers another call. */
  decode(payload: Uint8Array, id: number): Result;
}

/** @throws {CallError} INVALID_CALL */
export function requestCallKind(call: RequestCall, requiresReplyId: boolean): RunnerCallKind {
  const { sourceIp } = call;
  if (sourceIp.length !== 4 && sourceIp.length !== 16) {
    const message = `source_ip has ${sourceIp.length} bytes, not 4 or 16`;
    throw new CallError(FailureReason.INVALID_CALL, message);
  }
  return {
    frameType: FrameType.HTTP_REQ_CALL,
    rpcName: 'RPC_HTTP_REQ_CALL',
    encode: (id, confToken) =>
      encodeHttpReqCallRequest({
        id,
        srcIp: sourceIp,
        method: call.method,
        path: call.path,
        args: call.args,
        headers: call.headers,
        confToken,
      }),
    decode: (payload, id) => {
      const response = decodeHttpReqCallResponse(payload);
      const isOurs = response.id === id || (response.id === 0 && !requiresReplyId);
      if (!isOurs) throw wrongId(response.id, id);
      return { $case: 'requestResult', value: { action: requestAction(response.action) } };
    },
  };
}

export function responseCallKind(call: ResponseCall): RunnerCallKind {
  return {
    frameType: FrameType.HTTP_RESP_CALL,
    rpcName: 'RPC_HTTP_RESP_CALL',
    encode: (id, confToken) =>
      encodeHttpRespCallRequest({ id, status: call.status, headers: call.headers, confToken }),
    // The Go runner leaves the id out of these, so it proves nothing.
    decode: (payload) => {
      const { status, headers, body } = decodeHttpRespCallResponse(payload);
      const value = { status, headers: entries(headers), body: buffer(body) };
      return { $case: 'responseResult', value };
    },
  };
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
