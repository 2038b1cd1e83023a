import { requireUnsigned } from './errors.ts';
import { readRoot } from './table-reader.ts';
import { tableLayout, writeMessage } from './table-writer.ts';
import { readEntry, type TextEntry } from './text-entry.ts';

/** Hands a conf to the runner, which answers with a token for the calls that use it. */
export interface PrepareConfRequest {
  /** Plugin name and opaque value, in order of execution. */
  readonly conf: readonly TextEntry[];
  /** The same key asks for the same token; Java and Python pay no heed to it. */
  readonly key: string;
}

export interface PrepareConfResponse {
  /** 0 is a legal token. */
  readonly confToken: number;
}

const REQUEST = tableLayout(4, 4);
const RESPONSE = tableLayout(4);

export function encodePrepareConfRequest({ conf, key }: PrepareConfRequest): Uint8Array {
  return writeMessage(0, REQUEST, (root) => {
    root.entries(0, conf);
    root.string(1, key);
  });
}

/** @throws {ProtocolError} `MALFORMED` */
export function decodePrepareConfRequest(payload: Uint8Array): PrepareConfRequest {
  const root = readRoot(payload);
  return { conf: root.tables(0, readEntry), key: root.string(1) ?? '' };
}

export function encodePrepareConfResponse({ confToken }: PrepareConfResponse): Uint8Array {
  requireUnsigned(confToken, 0xffff_ffff, 'confToken');
  return writeMessage(0, RESPONSE, (root) => root.uint32(0, confToken));
}

/** @throws {ProtocolError} `MALFORMED` */
export function decodePrepareConfResponse(payload: Uint8Array): PrepareConfResponse {
  return { confToken: readRoot(payload).uint32(0) };
}
