import { requireUnsigned } from './errors.ts';
import { readRoot } from './table-reader.ts';
import { buildMessage } from './table-writer.ts';
import { readEntry, writeEntries, type TextEntry } from './text-entry.ts';

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

export function encodePrepareConfRequest({ conf, key }: PrepareConfRequest): Uint8Array {
  return buildMessage(0, (builder) => {
    const keyOffset = builder.createString(key);
    const confOffset = writeEntries(builder, conf);
    builder.startObject(2);
    builder.addFieldOffset(0, confOffset, 0);
    builder.addFieldOffset(1, keyOffset, 0);
    return builder.endObject();
  });
}

/** @throws {ProtocolError} `MALFORMED` */
export function decodePrepareConfRequest(payload: Uint8Array): PrepareConfRequest {
  const root = readRoot(payload);
  return { conf: root.tables(0, readEntry), key: root.string(1) ?? '' };
}

export function encodePrepareConfResponse({ confToken }: PrepareConfResponse): Uint8Array {
  requireUnsigned(confToken, 0xffff_ffff, 'confToken');
  return buildMessage(0, (builder) => {
    builder.startObject(1);
    builder.addFieldInt32(0, confToken, 0);
    return builder.endObject();
  });
}

/** @throws {ProtocolError} `MALFORMED` */
export function decodePrepareConfResponse(payload: Uint8Array): PrepareConfResponse {
  return { confToken: readRoot(payload).uint32(0) };
}
