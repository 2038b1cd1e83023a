import { resolve } from 'node:path';
import type { RunnerConfig } from './gateway-config.ts';
import type { WrittenConfig } from './keys/known-keys.ts';
import type { WrittenRunner } from './keys/runner-keys.ts';
import type { ReadContext } from './read-context.ts';

/** The pool that `ext-plugin.cmd` or `ext-plugin.path_for_test` makes. */
export const DEFAULT_RUNNER = 'default';

/**
 * All pools: APISIX's single runner first, under the name `default`, then `polygate.runners`. As in
 * APISIX `path_for_test` comes before `cmd`.
 */
export function readRunners(written: WrittenConfig, context: ReadContext): RunnerConfig[] {
  const declared = written.polygate.runners.flatMap((runner, i) =>
    readRunner(runner, `polygate.runners[${i}]`, context),
  );
  const runners = [...defaultRunner(written), ...declared];
  const names = runners.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    const hint = twice === DEFAULT_RUNNER ? ' (ext-plugin makes one of that name)' : '';
    context.findings.problems.push(`polygate.runners: two runners are named ${twice}${hint}`);
  }
  const plugins = runners.flatMap((runner) => runner.plugins);
  const shared = plugins.find((name, i) => plugins.indexOf(name) !== i);
  if (shared !== undefined) {
    context.findings.problems.push(`polygate.runners: two runners have the plugin ${shared}`);
  }
  return runners;
}

function defaultRunner(written: WrittenConfig): RunnerConfig[] {
  const extPlugin = written['ext-plugin'];
  const rest = {
    name: DEFAULT_RUNNER,
    plugins: [],
    instances: 1,
    env: written.nginx_config.envs,
    watch: false,
    startTimeoutMs: 30_000,
    stopTimeoutMs: 1000,
  };
  if (extPlugin.path_for_test !== undefined) {
    const socketPath = resolve(extPlugin.path_for_test);
    return [{ ...rest, source: { socketPath, requiresReplyId: false } }];
  }
  return extPlugin.cmd === undefined ? [] : [{ ...rest, source: { cmd: extPlugin.cmd } }];
}

function readRunner(
  written: WrittenRunner,
  path: string,
  { findings }: ReadContext,
): RunnerConfig[] {
  const { name, cmd, address, limits, timeouts } = written;
  const { problems } = findings;
  if (name === '') problems.push(`${path}.name: has to be written`);
  if ((cmd === undefined) === (address === undefined)) {
    problems.push(`${path}: either cmd or address has to be written`);
    return [];
  }
  const ofProcess = ['cwd', 'user'] as const;
  for (const key of ofProcess) {
    if (address !== undefined && written[key] !== undefined) {
      problems.push(`${path}.${key}: needs cmd; whoever listens at an address started itself`);
    }
  }
  return [
    {
      name,
      source:
        cmd === undefined
          ? { socketPath: resolve((address ?? '').slice('unix:'.length)), requiresReplyId: true }
          : { cmd },
      plugins: written.plugins,
      instances: written.instances,
      env: written.env,
      watch: written.watch,
      startTimeoutMs: timeouts.start_ms,
      stopTimeoutMs: timeouts.stop_ms,
      ...(written.cwd !== undefined && { cwd: resolve(written.cwd) }),
      ...(written.user !== undefined && { user: written.user }),
      ...(written.in_flight_max !== undefined && { inFlightMax: written.in_flight_max }),
      ...(timeouts.call_ms !== undefined && { callTimeoutMs: timeouts.call_ms }),
      ...(limits.memory_bytes_max !== undefined && { memoryBytesMax: limits.memory_bytes_max }),
      ...(limits.files_max !== undefined && { filesMax: limits.files_max }),
    },
  ];
}
