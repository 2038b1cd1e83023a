import { GatewayError, type GatewayErrorCode } from '@polygate/plugin-sdk';
import { FailureReason } from '@polygate/rpc';
import type { CallFailure } from '@polygate/rpc';

// How calls to a runner manager fail.

const FAILURE_CODES: Readonly<Record<FailureReason, GatewayErrorCode>> = {
  [FailureReason.UNSPECIFIED]: 'RUNNER_FAILED',
  [FailureReason.UNRECOGNIZED]: 'RUNNER_FAILED',
  [FailureReason.UNAVAILABLE]: 'RUNNER_UNAVAILABLE',
  [FailureReason.OVERLOADED]: 'RUNNER_OVERLOADED',
  [FailureReason.PROTOCOL]: 'RUNNER_FAILED',
  [FailureReason.RUNNER_ERROR]: 'RUNNER_FAILED',
  [FailureReason.INVALID_CALL]: 'RUNNER_FAILED',
  [FailureReason.TIMEOUT]: 'RUNNER_TIMEOUT',
};

export function failureError({ reason, message }: CallFailure): GatewayError {
  // A newer manager may know reasons that this gateway does not.
  return new GatewayError(FAILURE_CODES[reason] ?? 'RUNNER_FAILED', message);
}

export function answerError(cause: unknown): Error {
  if (cause instanceof GatewayError) return cause;
  return new GatewayError('RUNNER_FAILED', 'a question of the runner could not be answered', {
    cause,
  });
}

export function notConnected(): GatewayError {
  return new GatewayError('RUNNER_UNAVAILABLE', 'there is no connection to the runner manager');
}

export function timedOut(timeoutMs: number): GatewayError {
  const text = `the runner manager did not answer within ${timeoutMs} ms`;
  return new GatewayError('RUNNER_TIMEOUT', text);
}

export function aborted(): GatewayError {
  return new GatewayError('REQUEST_ABORTED', 'the client went away during a call to a runner');
}

export function shuttingDown(): GatewayError {
  return new GatewayError('RUNNER_UNAVAILABLE', 'the gateway is shutting down');
}

export function unexpected(what: string): GatewayError {
  return new GatewayError('RUNNER_FAILED', `the runner manager sent ${what}`);
}
