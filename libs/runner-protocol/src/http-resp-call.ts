import { requireUnsigned } from './errors.ts';
import { FrameType } from './frame.ts';
import { readRoot } from './table-reader.ts';
import { tableLayout, writeFrame, writeMessage, type OpenTable } from './table-writer.ts';
import { readEntry, type TextEntry } from './text-entry.ts';

/** A response on its way to the client, shown to the runner. */
export interface HttpRespCallRequest {
  /** From 1. The Go runner leaves it out of its answer, so it cannot be checked. */
  readonly id: number;
  readonly status: number;
  readonly headers: readonly TextEntry[];
  readonly confToken: number;
}

export interface HttpRespCallResponse {
  readonly id: number;
  /** 0: the status stays. */
  readonly status: number;
  /** Empty: the headers stay. */
  readonly headers: readonly TextEntry[];
  /** Empty: the body stays. */
  readonly body: Uint8Array;
}

const noBytes = Buffer.alloc(0);
const REQUEST = tableLayout(4, 2, 4, 4);
const RESPONSE = tableLayout(4, 2, 4, 4);

export function encodeHttpRespCallRequest(request: HttpRespCallRequest): Uint8Array {
  requireUnsigned(request.id, 0xffff_ffff, 'id');
  requireUnsigned(request.status, 0xffff, 'status');
  requireUnsigned(request.confToken, 0xffff_ffff, 'confToken');
  return writeMessage(0, REQUEST, (root) => {
    root.uint32(0, request.id);
    root.uint16(1, request.status);
    root.entries(2, request.headers);
    root.uint32(3, request.confToken);
  });
}

/** @throws {ProtocolError} `MALFORMED` */
export function decodeHttpRespCallRequest(payload: Uint8Array): HttpRespCallRequest {
  const root = readRoot(payload);
  return {
    id: root.uint32(0),
    status: root.uint16(1),
    headers: root.tables(2, readEntry),
    confToken: root.uint32(3),
  };
}

export function encodeHttpRespCallResponse(response: HttpRespCallResponse): Uint8Array {
  const { byteLength } = response.body;
  return writeMessage(byteLength, RESPONSE, (root) => writeResponse(root, response));
}

/** The same as a frame. @throws {ProtocolError} `TOO_LARGE` */
export function encodeHttpRespCallResponseFrame(response: HttpRespCallResponse): Buffer {
  const { byteLength } = response.body;
  const type = FrameType.HTTP_RESP_CALL;
  return writeFrame(type, byteLength, RESPONSE, (root) => writeResponse(root, response));
}

function writeResponse(root: OpenTable, response: HttpRespCallResponse): void {
  root.uint32(0, requireUnsigned(response.id, 0xffff_ffff, 'id'));
  root.uint16(1, requireUnsigned(response.status, 0xffff, 'status'));
  root.entries(2, response.headers);
  root.bytes(3, response.body);
}

/** The body is a view into `payload`. @throws {ProtocolError} `MALFORMED` */
export function decodeHttpRespCallResponse(payload: Uint8Array): HttpRespCallResponse {
  const root = readRoot(payload);
  return {
    id: root.uint32(0),
    status: root.uint16(1),
    headers: root.tables(2, readEntry),
    body: root.bytes(3) ?? noBytes,
  };
}
