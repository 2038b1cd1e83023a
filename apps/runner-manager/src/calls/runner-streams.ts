import {
  RpcError,
  type RecordCallsRequest,
  type RecordCallsResponse,
  type RunnerLogLine,
  type ServerWritableStream,
  type WatchRunnerLogRequest,
  type WatchRunnerLogResponse,
} from '@polygate/rpc';
import type { RunnerPool } from '../pool/runner-pool.ts';
import type { CallRecorder } from '../recording/call-recorder.ts';

/** Lines for a reader that does not read; more are left out. */
const UNREAD_LINES_MAX = 1000;

/** What the runner has written lately, then what it writes, until the caller hangs up. */
export function watchLog(
  call: ServerWritableStream<WatchRunnerLogRequest, WatchRunnerLogResponse>,
  pool: RunnerPool | undefined,
): void {
  if (pool === undefined) return fail(call, noSuchRunner(call.request.name));
  let unread = 0;
  const write = (line: RunnerLogLine): void => {
    if (unread >= UNREAD_LINES_MAX) return;
    unread += 1;
    call.write({ line }, () => void (unread -= 1));
  };
  for (const line of pool.lastLines()) write(line);
  const stop = pool.watchLog(write);
  call.on('cancelled', stop);
  call.on('close', stop);
  call.on('error', stop);
}

/** Ends by itself after `calls_max` calls. */
export function recordCalls(
  call: ServerWritableStream<RecordCallsRequest, RecordCallsResponse>,
  recorder: CallRecorder,
  pools: ReadonlyMap<string, unknown>,
): void {
  const name = call.request.runner || 'default';
  if (!pools.has(name)) return fail(call, noSuchRunner(name));
  try {
    const stop = recorder.start(call.request, {
      write: (recorded, onWritten) => void call.write({ call: recorded }, onWritten),
      end: () => call.end(),
    });
    call.on('cancelled', stop);
    call.on('close', stop);
    call.on('error', stop);
  } catch (error) {
    fail(call, RpcError.from(error));
  }
}

function fail(call: { emit(event: 'error', error: object): unknown }, error: RpcError): void {
  call.emit('error', { code: error.statusCode, details: error.message });
}

export function noSuchRunner(name: string): RpcError {
  return new RpcError('NOT_FOUND', `no runner is named ${JSON.stringify(name.slice(0, 128))}`);
}
