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
  /**
   * What is wrong, in words. The schema of APISIX ends after the code; whoever knows no more reads
   * over this field, as flatbuffers have it. Only our runner writes it.
   */
  readonly message?: string | undefined;
}

const RESPONSE = tableLayout(1);
const RESPONSE_WITH_MESSAGE = tableLayout(1, 4);
const NOTHING = tableLayout();
/** Beyond that it is cut: it goes to logs and to whoever configures, not to programs. */
const MESSAGE_LENGTH_MAX = 4_096;

export function encodeErrorResponse({ code, message }: ErrorResponse): Uint8Array {
  requireUnsigned(code, 255, 'code');
  if (message !== undefined) {
    return writeMessage(0, RESPONSE_WITH_MESSAGE, (root) => {
      root.uint8(0, code);
      root.string(1, message.slice(0, MESSAGE_LENGTH_MAX));
    });
  }
  // Left out where it is the schema's default, as the runners do.
  if (code === 0) return writeMessage(0, NOTHING, () => undefined);
  return writeMessage(0, RESPONSE, (root) => root.uint8(0, code));
}

/** @throws {ProtocolError} `MALFORMED` */
export function decodeErrorResponse(payload: Uint8Array): ErrorResponse {
  const root = readRoot(payload);
  const message = root.string(1);
  return message === undefined ? { code: root.uint8(0) } : { code: root.uint8(0), message };
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
