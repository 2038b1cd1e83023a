import { ProtocolError, requireUnsigned } from './errors.ts';
import { FrameType } from './frame.ts';
import { METHODS, methodNumber } from './method.ts';
import { readRoot, type TableReader } from './table-reader.ts';
import { tableLayout, writeFrame, writeMessage, type OpenTable } from './table-writer.ts';
import { readEntry, type TextEntry } from './text-entry.ts';

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

const REQUEST = tableLayout(4, 4, 1, 4, 4, 4, 4);
const RESPONSE = tableLayout(4, 1, 4);
const RESPONSE_WITHOUT_ACTION = tableLayout(4);
const STOP = tableLayout(2, 4, 4);
const REWRITE = tableLayout(4, 4, 4, 4, 4);
const REWRITE_WITHOUT_PATH = tableLayout(0, 4, 4, 4, 4);

/** @throws {ProtocolError} `UNKNOWN_METHOD` for a method the protocol has no number for. */
export function encodeHttpReqCallRequest(request: HttpReqCallRequest): Uint8Array {
  return writeMessage(0, REQUEST, (root) => writeRequest(root, request));
}

/** The same as a frame. @throws {ProtocolError} `UNKNOWN_METHOD`, `TOO_LARGE` */
export function encodeHttpReqCallRequestFrame(request: HttpReqCallRequest): Buffer {
  return writeFrame(FrameType.HTTP_REQ_CALL, 0, REQUEST, (root) => writeRequest(root, request));
}

function writeRequest(root: OpenTable, request: HttpReqCallRequest): void {
  const method = methodNumber(request.method);
  if (method === undefined) {
    throw new ProtocolError(
      'UNKNOWN_METHOD',
      `the runner protocol has no method ${JSON.stringify(request.method)}`,
    );
  }
  root.uint32(0, requireUnsigned(request.id, 0xffff_ffff, 'id'));
  root.bytes(1, request.srcIp);
  root.uint8(2, method);
  root.string(3, request.path);
  root.entries(4, request.args);
  root.entries(5, request.headers);
  root.uint32(6, requireUnsigned(request.confToken, 0xffff_ffff, 'confToken'));
}

/** @throws {ProtocolError} `MALFORMED`, `UNKNOWN_METHOD` */
export function decodeHttpReqCallRequest(payload: Uint8Array): HttpReqCallRequest {
  const root = readRoot(payload);
  return {
    id: root.uint32(0),
    srcIp: root.bytes(1) ?? noBytes,
    method: methodOf(root.uint8(2)),
    path: root.string(3) ?? '',
    args: root.tables(4, readEntry),
    headers: root.tables(5, readEntry),
    confToken: root.uint32(6),
  };
}

/**
 * A request call of which each part is decoded when it is asked for: a plugin that looks at the path
 * does not pay for forty headers. Ask once and keep the result. Reading throws ProtocolError
 * `MALFORMED`, and `method` also `UNKNOWN_METHOD`, as `decodeHttpReqCallRequest` would have.
 */
export interface HttpReqCallView {
  readonly id: number;
  readonly confToken: number;
  srcIp(): Uint8Array;
  method(): string;
  path(): string;
  args(): readonly TextEntry[];
  headers(): readonly TextEntry[];
}

/** Reads `payload` as long as the view is used. @throws {ProtocolError} `MALFORMED` */
export function viewHttpReqCallRequest(payload: Uint8Array): HttpReqCallView {
  return new RequestView(readRoot(payload));
}

class RequestView implements HttpReqCallView {
  readonly id: number;
  readonly confToken: number;
  readonly #root: TableReader;

  constructor(root: TableReader) {
    this.id = root.uint32(0);
    this.confToken = root.uint32(6);
    this.#root = root;
  }

  srcIp(): Uint8Array {
    return this.#root.bytes(1) ?? noBytes;
  }

  method(): string {
    return methodOf(this.#root.uint8(2));
  }

  path(): string {
    return this.#root.string(3) ?? '';
  }

  args(): readonly TextEntry[] {
    return this.#root.tables(4, readEntry);
  }

  headers(): readonly TextEntry[] {
    return this.#root.tables(5, readEntry);
  }
}

function methodOf(number: number): string {
  const method = METHODS[number];
  if (method !== undefined) return method;
  throw new ProtocolError('UNKNOWN_METHOD', `unknown method ${number}`);
}

export function encodeHttpReqCallResponse({ id, action }: HttpReqCallResponse): Uint8Array {
  requireUnsigned(id, 0xffff_ffff, 'id');
  if (action.kind === 'continue') {
    return writeMessage(0, RESPONSE_WITHOUT_ACTION, (root) => root.uint32(0, id));
  }
  return writeMessage(action.body.byteLength, RESPONSE, (root) => writeAction(root, id, action));
}

/** The same as a frame. @throws {ProtocolError} `TOO_LARGE` */
export function encodeHttpReqCallResponseFrame({ id, action }: HttpReqCallResponse): Buffer {
  requireUnsigned(id, 0xffff_ffff, 'id');
  const type = FrameType.HTTP_REQ_CALL;
  if (action.kind === 'continue') {
    return writeFrame(type, 0, RESPONSE_WITHOUT_ACTION, (root) => root.uint32(0, id));
  }
  const { byteLength } = action.body;
  return writeFrame(type, byteLength, RESPONSE, (root) => writeAction(root, id, action));
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

function writeAction(root: OpenTable, id: number, action: StopAction | RewriteAction): void {
  root.uint32(0, id);
  root.uint8(1, action.kind === 'stop' ? ACTION_STOP : ACTION_REWRITE);
  if (action.kind === 'stop') writeStop(root.table(2, STOP), action);
  else writeRewrite(root, action);
}

function writeStop(table: OpenTable, { status, headers, body }: StopAction): void {
  table.uint16(0, requireUnsigned(status, 0xffff, 'status'));
  table.entries(1, headers);
  table.bytes(2, body);
}

function writeRewrite(root: OpenTable, action: RewriteAction): void {
  const { path } = action;
  const table = root.table(2, path === undefined ? REWRITE_WITHOUT_PATH : REWRITE);
  if (path !== undefined) table.string(0, path);
  table.entries(1, action.headers);
  table.entries(2, action.args);
  table.entries(3, action.respHeaders);
  table.bytes(4, action.body);
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
