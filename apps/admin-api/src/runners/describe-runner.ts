import { showLogLine, showPluginCalls, showRestart, stateName } from '@polygate/rpc';
import type { RecordedCall, Runner } from '@polygate/rpc';

/** A runner as the Admin API shows it; times in milliseconds since 1970. */
export function describeRunner(manager: string, runner: Runner): object {
  return {
    manager,
    name: runner.name,
    state: stateName(runner.state) ?? 'unknown',
    generation: runner.generation,
    plugins: runner.plugins,
    calls_in_flight: runner.callsInFlight,
    calls_waiting: runner.callsWaiting,
    confs_held: runner.confsHeld,
    conf_tokens: runner.confTokens,
    instances: runner.instances.map((instance) => ({
      index: instance.index,
      generation: instance.generation,
      state: stateName(instance.state) ?? 'unknown',
      pid: instance.pid,
      restarts: instance.restarts,
      last_error: instance.lastError,
      calls_in_flight: instance.callsInFlight,
      calls: instance.calls,
      ready_since_ms: instance.readySinceMs || null,
    })),
    plugin_calls: runner.pluginCalls.map(showPluginCalls),
    recent_restarts: runner.recentRestarts.map(showRestart),
    last_lines: runner.lastLines.map(showLogLine),
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
