import type { TraceHeaders } from '@polygate/chassis';
import type { ExternalPlugins, RequestContext, SharedState } from '@polygate/plugin-sdk';
import { ConfCalls } from './conf-calls.ts';
import type { KnownRunner } from './conf-segments.ts';
import type { RunnerClient } from './link/runner-client.ts';
import { OwnersInFlight } from './policy/owners-in-flight.ts';
import type { BreakerReport, RunnerMetrics } from './policy/runner-metrics.ts';

export interface RunnerSettings extends KnownRunner {
  /** Of its calls, where a conf does not say; undefined: that of the manager. */
  readonly callTimeoutMs?: number | undefined;
}

export interface ExternalPluginsOptions {
  readonly client: RunnerClient;
  readonly shared: SharedState;
  readonly metrics: RunnerMetrics;
  /** As far as this process's configuration knows them. */
  readonly runners: readonly RunnerSettings[];
  /** What calls may take where nothing else says. */
  readonly callTimeoutMs: number;
  /** The span that the runner's work belongs to; undefined when the request is not traced. */
  readonly traceContext?: (ctx: RequestContext) => TraceHeaders | undefined;
}

export interface GatewayExternalPlugins extends ExternalPlugins {
  /** Confs that are prepared go where these have their plugins, too. */
  takeRunners(runners: readonly RunnerSettings[]): void;
  breakers(): readonly BreakerReport[];
}

/**
 * External plugins over runner managers: shows requests and answers to runners and applies what they
 * want, as APISIX does (`ext-plugin/init.lua`, `rpc_handlers`).
 */
export function createExternalPlugins(options: ExternalPluginsOptions): GatewayExternalPlugins {
  const owners = new OwnersInFlight();
  const prepared = new Set<ConfCalls>();
  let { runners } = options;
  return {
    prepare(conf) {
      const calls = new ConfCalls(conf, {
        ...options,
        runners: () => runners,
        owners,
        onReleased: () => prepared.delete(calls),
      });
      prepared.add(calls);
      return calls;
    },
    takeRunners(taken) {
      runners = taken;
      for (const calls of prepared) calls.takeRunners();
    },
    breakers: () => [
      // of several versions of a conf one: they share the state
      ...new Map(
        [...prepared]
          .flatMap((calls) => calls.breakers())
          .map((report) => [`${report.owner} ${report.runner}`, report]),
      ).values(),
    ],
  };
}
