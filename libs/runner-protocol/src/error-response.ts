import { requireUnsigned } from './errors.ts';
import { readRoot } from './table-reader.ts';
import { tableLayout, writeMessage } from './table-writer.ts';

/** What a runner says in an ERROR frame. */
export const ErrorCode = {
  BAD_REQUEST: 0,
  SERVICE_UNAVAILABLE: 1,
  CONF_TOKEN_NOT_FOUND: 2,
} as const;

export interface ErrorResponse {
  readonly code: number;
}

const RESPONSE = tableLayout(1);
const NOTHING = tableLayout();

export function encodeErrorResponse({ code }: ErrorResponse): Uint8Array {
  requireUnsigned(code, 255, 'code');
  // Left out where it is the schema's default, as the runners do.
  if (code === 0) return writeMessage(0, NOTHING, () => undefined);
  return writeMessage(0, RESPONSE, (root) => root.uint8(0, code));
}

/** @throws {ProtocolError} `MALFORMED` */
export function decodeErrorResponse(payload: Uint8Array): ErrorResponse {
  return { code: readRoot(payload).uint8(0) };
}

/** The text APISIX logs for a code (`ext-plugin/init.lua`, `err_to_msg`). */
export function errorText(code: number): string {
  switch (code) {
    case ErrorCode.BAD_REQUEST:
      return 'bad request';
    case ErrorCode.SERVICE_UNAVAILABLE:
      return 'service unavailable';
    case ErrorCode.CONF_TOKEN_NOT_FOUND:
      return 'conf token not found';
    default:
      return `unknown err ${code}`;
  }
}
