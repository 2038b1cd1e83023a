import { RunnerState } from '@polygate/rpc';

/** Best first. */
const ORDER: readonly RunnerState[] = [
  RunnerState.READY,
  RunnerState.STARTING,
  RunnerState.BACKING_OFF,
  RunnerState.CRASH_LOOP,
  RunnerState.MISCONFIGURED,
  RunnerState.DRAINING,
  RunnerState.STOPPED,
];

/** The state of a pool whose instances have these. */
export function bestState(states: readonly RunnerState[]): RunnerState {
  return ORDER.find((state) => states.includes(state)) ?? RunnerState.STOPPED;
}
