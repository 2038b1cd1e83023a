import { GatewayError } from '@polygate/plugin-sdk';

/** How a call ended, in the words of metrics and of `failure_policy.allow`. */
export type CallOutcome =
  'ok' | 'unavailable' | 'overloaded' | 'circuit_open' | 'timeout' | 'failed' | 'aborted';

/** `aborted`: not the runner's doing, as a body that is too large or a client that has gone. */
export function outcomeOf(error: unknown): CallOutcome {
  if (!(error instanceof GatewayError)) return 'failed';
  switch (error.code) {
    case 'RUNNER_UNAVAILABLE':
      return 'unavailable';
    case 'RUNNER_OVERLOADED':
      return 'overloaded';
    case 'RUNNER_CIRCUIT_OPEN':
      return 'circuit_open';
    case 'RUNNER_TIMEOUT':
      return 'timeout';
    case 'RUNNER_FAILED':
      return 'failed';
    default:
      return 'aborted';
  }
}

/** Whether it says something of the runner's health. */
export function isRunnerFailure(outcome: CallOutcome): boolean {
  return outcome === 'unavailable' || outcome === 'timeout' || outcome === 'failed';
}
