import type { Builder } from 'flatbuffers';
import { ProtocolError, requireUnsigned } from './errors.ts';
import { METHODS, methodNumber } from './method.ts';
import { readRoot, type TableReader } from './table-reader.ts';
import { buildMessage, writeBytes, writeString } from './table-writer.ts';
import { readEntry, writeEntries, type TextEntry } from './text-entry.ts';

/** A request on its way to the upstream, shown to the runner. */
export interface HttpReqCallRequest {
  /** From 1: the Python runner refuses 0. The answer must carry it. */
  readonly id: number;
  /** 4 or 16 bytes. */
  readonly srcIp: Uint8Array;
  /** Upper-case name, one of `METHODS`. */
  readonly method: string;
  readonly path: string;
  readonly args: readonly TextEntry[];
  readonly headers: readonly TextEntry[];
  readonly confToken: number;
}

export interface StopAction {
  readonly kind: 'stop';
  /** 0 stands for 200. */
  readonly status: number;
  readonly headers: readonly TextEntry[];
  readonly body: Uint8Array;
}

export interface RewriteAction {
  readonly kind: 'rewrite';
  readonly path?: string | undefined;
  /** An entry without value deletes. */
  readonly headers: readonly TextEntry[];
  /** An entry without value deletes. */
  readonly args: readonly TextEntry[];
  readonly respHeaders: readonly TextEntry[];
  /** Empty: the request body stays. */
  readonly body: Uint8Array;
}

export type HttpReqCallAction = { readonly kind: 'continue' } | StopAction | RewriteAction;

export interface HttpReqCallResponse {
  readonly id: number;
  readonly action: HttpReqCallAction;
}

const ACTION_NONE = 0;
const ACTION_STOP = 1;
const ACTION_REWRITE = 2;
const noBytes = Buffer.alloc(0);

/** @throws {ProtocolError} `UNKNOWN_METHOD` for a method the protocol has no number for. */
export function encodeHttpReqCallRequest(request: HttpReqCallRequest): Uint8Array {
  const method = methodNumber(request.method);
  if (method === undefined) {
    throw new ProtocolError(
      'UNKNOWN_METHOD',
      `the runner protocol has no method ${JSON.stringify(request.method)}`,
    );
  }
  requireUnsigned(request.id, 0xffff_ffff, 'id');
  requireUnsigned(request.confToken, 0xffff_ffff, 'confToken');
  return buildMessage(0, (builder) => {
    const srcIp = builder.createByteVector(request.srcIp);
    const path = builder.createString(request.path);
    const args = writeEntries(builder, request.args);
    const headers = writeEntries(builder, request.headers);
    builder.startObject(7);
    builder.addFieldInt32(0, request.id, 0);
    builder.addFieldInt32(6, request.confToken, 0);
    builder.addFieldOffset(1, srcIp, 0);
    builder.addFieldOffset(3, path, 0);
    builder.addFieldOffset(4, args, 0);
    builder.addFieldOffset(5, headers, 0);
    builder.addFieldInt8(2, method, 0);
    return builder.endObject();
  });
}

/** @throws {ProtocolError} `MALFORMED`, `UNKNOWN_METHOD` */
export function decodeHttpReqCallRequest(payload: Uint8Array): HttpReqCallRequest {
  const root = readRoot(payload);
  const number = root.uint8(2);
  const method = METHODS[number];
  if (method === undefined) throw new ProtocolError('UNKNOWN_METHOD', `unknown method ${number}`);
  return {
    id: root.uint32(0),
    srcIp: root.bytes(1) ?? noBytes,
    method,
    path: root.string(3) ?? '',
    args: root.tables(4, readEntry),
    headers: root.tables(5, readEntry),
    confToken: root.uint32(6),
  };
}

export function encodeHttpReqCallResponse({ id, action }: HttpReqCallResponse): Uint8Array {
  requireUnsigned(id, 0xffff_ffff, 'id');
  const sizeHintBytes = action.kind === 'continue' ? 0 : action.body.byteLength;
  return buildMessage(sizeHintBytes, (builder) => {
    const actionOffset = writeAction(builder, action);
    builder.startObject(3);
    builder.addFieldInt32(0, id, 0);
    builder.addFieldOffset(2, actionOffset, 0);
    builder.addFieldInt8(1, actionNumber(action), ACTION_NONE);
    return builder.endObject();
  });
}

/**
 * Bodies are views into `payload`. An action of unknown kind is an error: APISIX takes it for
 * "continue", which would let a request through that the runner meant to stop.
 *
 * @throws {ProtocolError} `MALFORMED`
 */
export function decodeHttpReqCallResponse(payload: Uint8Array): HttpReqCallResponse {
  const root = readRoot(payload);
  return { id: root.uint32(0), action: readAction(root) };
}

function actionNumber(action: HttpReqCallAction): number {
  switch (action.kind) {
    case 'continue':
      return ACTION_NONE;
    case 'stop':
      return ACTION_STOP;
    case 'rewrite':
      return ACTION_REWRITE;
  }
}

function writeAction(builder: Builder, action: HttpReqCallAction): number {
  switch (action.kind) {
    case 'continue':
      return 0;
    case 'stop':
      return writeStop(builder, action);
    case 'rewrite':
      return writeRewrite(builder, action);
  }
}

function writeStop(builder: Builder, { status, headers, body }: StopAction): number {
  requireUnsigned(status, 0xffff, 'status');
  const bodyOffset = body.byteLength === 0 ? 0 : writeBytes(builder, body);
  const headersOffset = writeEntries(builder, headers);
  builder.startObject(3);
  builder.addFieldOffset(1, headersOffset, 0);
  builder.addFieldOffset(2, bodyOffset, 0);
  builder.addFieldInt16(0, status, 0);
  return builder.endObject();
}

function writeRewrite(builder: Builder, action: RewriteAction): number {
  const body = action.body.byteLength === 0 ? 0 : writeBytes(builder, action.body);
  const path = writeString(builder, action.path);
  const headers = writeEntries(builder, action.headers);
  const args = writeEntries(builder, action.args);
  const respHeaders = writeEntries(builder, action.respHeaders);
  builder.startObject(5);
  builder.addFieldOffset(0, path, 0);
  builder.addFieldOffset(1, headers, 0);
  builder.addFieldOffset(2, args, 0);
  builder.addFieldOffset(3, respHeaders, 0);
  builder.addFieldOffset(4, body, 0);
  return builder.endObject();
}

function readAction(root: TableReader): HttpReqCallAction {
  const number = root.uint8(1);
  if (number === ACTION_NONE) return { kind: 'continue' };
  const action = root.table(2);
  if (action === undefined) throw new ProtocolError('MALFORMED', 'malformed message: no action');
  if (number === ACTION_STOP) return readStop(action);
  if (number === ACTION_REWRITE) return readRewrite(action);
  throw new ProtocolError('MALFORMED', `malformed message: unknown action type ${number}`);
}

function readStop(table: TableReader): StopAction {
  return {
    kind: 'stop',
    status: table.uint16(0),
    headers: table.tables(1, readEntry),
    body: table.bytes(2) ?? noBytes,
  };
}

function readRewrite(table: TableReader): RewriteAction {
  return {
    kind: 'rewrite',
    path: table.string(0),
    headers: table.tables(1, readEntry),
    args: table.tables(2, readEntry),
    respHeaders: table.tables(3, readEntry),
    body: table.bytes(4) ?? noBytes,
  };
}
