import { ErrorCode } from '@polygate/runner-protocol';

/**
 * Becomes an ERROR frame with this code. The message goes to the log, and with BAD_REQUEST to the
 * gateway too: it is about configuration, and whoever wrote that shall read it.
 */
export class CallError extends Error {
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CallError';
    this.code = code;
  }
}

/** A plugin that threw. */
export function pluginError(name: string, cause: unknown): CallError {
  return new CallError(ErrorCode.SERVICE_UNAVAILABLE, `plugin ${name} failed`, { cause });
}
