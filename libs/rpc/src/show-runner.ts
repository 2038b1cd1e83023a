import {
  RunnerState,
  type PluginCalls,
  type RunnerLogLine,
  type RunnerRestart,
} from './gen/polygate/runner/v1/runner.ts';

// What the Admin API and the Control API say of a runner in the same words.

const STATE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(RunnerState).map(([name, state]) => [state, name.toLowerCase()]),
);

/** As `backing_off`; undefined for one of a newer manager. */
export function stateName(state: number): string | undefined {
  return STATE_NAMES.get(state);
}

export function showRestart({ atMs, index, generation, reason }: RunnerRestart): object {
  return { at_ms: atMs, index, generation, reason };
}

export function showPluginCalls({ plugin, calls, failures, p50Us, p99Us }: PluginCalls): object {
  return { plugin, calls, failures, p50_us: p50Us, p99_us: p99Us };
}

export function showLogLine({ atMs, index, isError, text, traceId }: RunnerLogLine): object {
  return {
    at_ms: atMs,
    index,
    stream: isError ? 'stderr' : 'stdout',
    text,
    ...(traceId !== '' && { trace_id: traceId }),
  };
}
