import { ProtocolError } from './errors.ts';
import { readRoot } from './table-reader.ts';
import { tableLayout, writeMessage } from './table-writer.ts';

/**
 * What a runner asks in the middle of a call. It may ask several times before it reads an answer.
 */
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

const REQUEST = tableLayout(1, 4);
const VARIABLE = tableLayout(4);
const RESPONSE = tableLayout(4);
const NOTHING = tableLayout();

export function encodeExtraInfoRequest(request: ExtraInfoRequest): Uint8Array {
  return writeMessage(0, REQUEST, (root) => {
    root.uint8(0, infoNumber(request));
    if (request.kind !== 'variable') root.table(1, NOTHING);
    else root.table(1, VARIABLE).string(0, request.name);
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
  if (result === undefined) return writeMessage(0, NOTHING, () => undefined);
  return writeMessage(result.byteLength, RESPONSE, (root) => root.bytes(0, result));
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
