import type { Builder } from 'flatbuffers';
import { ProtocolError } from './errors.ts';
import { readRoot } from './table-reader.ts';
import { buildMessage, writeBytes } from './table-writer.ts';

/** What a runner asks in the middle of a call. It may ask several times before it reads an answer. */
export type ExtraInfoRequest =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'requestBody' }
  | { readonly kind: 'responseBody' };

export interface ExtraInfoResponse {
  /** undefined: there is no such variable or body. */
  readonly result: Uint8Array | undefined;
}

const INFO_VARIABLE = 1;
const INFO_REQUEST_BODY = 2;
const INFO_RESPONSE_BODY = 3;

export function encodeExtraInfoRequest(request: ExtraInfoRequest): Uint8Array {
  return buildMessage(0, (builder) => {
    const info = writeInfo(builder, request);
    builder.startObject(2);
    builder.addFieldOffset(1, info, 0);
    builder.addFieldInt8(0, infoNumber(request), 0);
    return builder.endObject();
  });
}

/** @throws {ProtocolError} `MALFORMED`, `UNSUPPORTED_INFO` */
export function decodeExtraInfoRequest(payload: Uint8Array): ExtraInfoRequest {
  const root = readRoot(payload);
  const number = root.uint8(0);
  switch (number) {
    case INFO_VARIABLE: {
      const name = root.table(1)?.string(0);
      if (name === undefined) {
        throw new ProtocolError('MALFORMED', 'malformed message: variable without name');
      }
      return { kind: 'variable', name };
    }
    case INFO_REQUEST_BODY:
      return { kind: 'requestBody' };
    case INFO_RESPONSE_BODY:
      return { kind: 'responseBody' };
    default:
      throw new ProtocolError('UNSUPPORTED_INFO', `unsupported info type: ${number}`);
  }
}

export function encodeExtraInfoResponse({ result }: ExtraInfoResponse): Uint8Array {
  return buildMessage(result?.byteLength ?? 0, (builder) => {
    const offset = writeBytes(builder, result);
    builder.startObject(1);
    builder.addFieldOffset(0, offset, 0);
    return builder.endObject();
  });
}

/** The result is a view into `payload`. @throws {ProtocolError} `MALFORMED` */
export function decodeExtraInfoResponse(payload: Uint8Array): ExtraInfoResponse {
  return { result: readRoot(payload).bytes(0) };
}

function infoNumber(request: ExtraInfoRequest): number {
  switch (request.kind) {
    case 'variable':
      return INFO_VARIABLE;
    case 'requestBody':
      return INFO_REQUEST_BODY;
    case 'responseBody':
      return INFO_RESPONSE_BODY;
  }
}

function writeInfo(builder: Builder, request: ExtraInfoRequest): number {
  if (request.kind !== 'variable') {
    builder.startObject(0);
    return builder.endObject();
  }
  const name = builder.createString(request.name);
  builder.startObject(1);
  builder.addFieldOffset(0, name, 0);
  return builder.endObject();
}
