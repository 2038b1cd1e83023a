import { RunnerState, type RecordedCall, type Runner, type RunnerLogLine } from '@polygate/rpc';

const STATE_NAMES = new Map<number, string>(
  Object.entries(RunnerState).map(([name, number]) => [number as number, name.toLowerCase()]),
);

/** A runner as the Admin API shows it; times in milliseconds since 1970. */
export function describeRunner(manager: string, runner: Runner): object {
  return {
    manager,
    name: runner.name,
    state: stateName(runner.state),
    generation: runner.generation,
    plugins: runner.plugins,
    calls_in_flight: runner.callsInFlight,
    calls_waiting: runner.callsWaiting,
    confs_held: runner.confsHeld,
    conf_tokens: runner.confTokens,
    instances: runner.instances.map((instance) => ({
      index: instance.index,
      generation: instance.generation,
      state: stateName(instance.state),
      pid: instance.pid,
      restarts: instance.restarts,
      last_error: instance.lastError,
      calls_in_flight: instance.callsInFlight,
      calls: instance.calls,
      ready_since_ms: instance.readySinceMs || null,
    })),
    plugin_calls: runner.pluginCalls.map((one) => ({
      plugin: one.plugin,
      calls: one.calls,
      failures: one.failures,
      p50_us: one.p50Us,
      p99_us: one.p99Us,
    })),
    recent_restarts: runner.recentRestarts.map(({ atMs, index, generation, reason }) => ({
      at_ms: atMs,
      index,
      generation,
      reason,
    })),
    last_lines: runner.lastLines.map(describeLine),
  };
}

export function describeLine({ atMs, index, isError, text, traceId }: RunnerLogLine): object {
  return {
    at_ms: atMs,
    index,
    stream: isError ? 'stderr' : 'stdout',
    text,
    ...(traceId !== '' && { trace_id: traceId }),
  };
}

/** One line of a recording: what `tools/replay` reads. */
export function describeCall(manager: string, call: RecordedCall): object {
  const { runner, atMs, conf, frames, failure } = call;
  return {
    manager,
    runner,
    at_ms: atMs,
    conf: { key: conf?.key ?? '', plugins: conf?.plugins ?? [] },
    failure,
    frames: frames.map(({ isSent, afterUs, frame }) => ({
      is_sent: isSent,
      after_us: afterUs,
      frame: frame.toString('base64'),
    })),
  };
}

function stateName(state: RunnerState): string {
  return STATE_NAMES.get(state) ?? 'unknown';
}
