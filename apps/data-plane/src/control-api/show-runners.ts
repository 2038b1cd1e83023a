import { showLogLine, showPluginCalls, showRestart, stateName } from '@polygate/rpc';
import type { RunnersReport } from '../runner/runners-report.ts';

type Managers = RunnersReport['managers'];
type Runner = Managers[number]['runners'][number];

/** `GET /v1/runners`, Polygate's own: what this data plane knows of runners, then what managers say. */
export function showRunners(reports: readonly RunnersReport[]): object {
  const managers = reports.flatMap((report) => report.managers);
  const breakers = reports[0]?.breakers ?? [];
  return {
    workers: reports.map(({ workerId, links, callsInFlight, confsHeld }) => ({
      id: workerId,
      calls_in_flight: callsInFlight,
      confs_held: confsHeld,
      links: links.map((link) => ({
        address: link.address,
        connected: link.connected,
        calls_in_flight: link.callsInFlight,
        backlog_bytes: link.backlogBytes,
        ...(link.lastError !== '' && { last_error: link.lastError }),
      })),
    })),
    breakers,
    managers: managers.map(({ address, runners, error }) => ({
      address,
      ...(error !== undefined && { error }),
      runners: runners.map(showRunner),
    })),
  };
}

function showRunner(runner: Runner): object {
  return {
    name: runner.name,
    state: shownState(runner.state),
    generation: runner.generation,
    plugins: runner.plugins,
    calls_in_flight: runner.callsInFlight,
    calls_waiting: runner.callsWaiting,
    confs_held: runner.confsHeld,
    conf_tokens: runner.confTokens,
    instances: runner.instances.map((instance) => ({
      index: instance.index,
      generation: instance.generation,
      state: shownState(instance.state),
      ...(instance.pid !== 0 && { pid: instance.pid }),
      restarts: instance.restarts,
      calls: instance.calls,
      calls_in_flight: instance.callsInFlight,
      ready_since_ms: instance.readySinceMs,
      ...(instance.lastError !== '' && { last_error: instance.lastError }),
    })),
    recent_restarts: runner.recentRestarts.map(showRestart),
    plugin_calls: runner.pluginCalls.map(showPluginCalls),
    last_lines: runner.lastLines.map(showLogLine),
  };
}

/** That of a newer manager by its number. */
function shownState(state: number): string {
  return stateName(state) ?? `state ${state}`;
}
