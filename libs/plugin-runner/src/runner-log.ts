/** Where the runner and its plugins report; the gateway collects what a runner writes to stderr. */
export interface RunnerLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export const stderrLog: RunnerLog = {
  info: (message) => write('info', message),
  warn: (message) => write('warn', message),
  error: (message) => write('error', message),
};

/** The same log with a text before each message. */
export function prefixedLog(log: RunnerLog, prefix: string): RunnerLog {
  if (prefix === '') return log;
  return {
    info: (message) => log.info(`${prefix} ${message}`),
    warn: (message) => log.warn(`${prefix} ${message}`),
    error: (message) => log.error(`${prefix} ${message}`),
  };
}

/** `version-traceid-parentid-flags` of the W3C's Trace Context. */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;
const REQUEST_ID = /^[\w.:-]{1,64}$/;

/**
 * What ties a line to a request: `trace_id=…` from a `traceparent`, else `request_id=…` from an
 * `x-request-id` that is one, else nothing.
 */
export function traceLabel(traceparent: string | undefined, requestId: string | undefined): string {
  const traceId = TRACEPARENT.exec(traceparent ?? '')?.[1];
  if (traceId !== undefined) return `trace_id=${traceId}`;
  return requestId !== undefined && REQUEST_ID.test(requestId) ? `request_id=${requestId}` : '';
}

/** One line a message, whatever it holds: traffic must not be able to forge lines. */
function write(level: string, message: string): void {
  process.stderr.write(`${level} ${message.replaceAll(/[\r\n]+\s*/g, ' | ')}\n`);
}
