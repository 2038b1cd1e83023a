import type { Logger } from '@polygate/chassis';
import type { MetricRegistry, SharedState } from '@polygate/plugin-sdk';
import { readClientTls } from '@polygate/rpc';
import { metricPrefix } from '../metrics/exporter-settings.ts';
import { createExternalPlugins } from '../runner/external-plugins.ts';
import type { GatewayExternalPlugins } from '../runner/external-plugins.ts';
import { connectRunnerManagers } from '../runner/link/runner-client.ts';
import { RunnerMetrics } from '../runner/policy/runner-metrics.ts';
import type { RunnersReport } from '../runner/runners-report.ts';
import type { WorkerStart } from './messages.ts';
import { traceContextOf } from './request-tracer.ts';

/** Managers that are slower are shown as such. */
const LIST_TIMEOUT_MS = 1_500;

/** What one worker has to do with runners. */
export interface RunnerCalls {
  readonly external: GatewayExternalPlugins;
  /** Before metrics are collected. */
  publishMetrics(): void;
  /** `withManagers`: asks them for their runners too. Never rejects. */
  report(withManagers: boolean): Promise<RunnersReport>;
  close(): void;
}

export function openRunnerCalls(
  { config, workerId }: WorkerStart,
  around: {
    readonly shared: SharedState;
    readonly metrics: MetricRegistry;
    readonly log: Logger;
  },
): RunnerCalls {
  const { runnerManager, runners } = config.polygate;
  const client = connectRunnerManagers({
    addresses: runnerManager.addresses,
    tls: runnerManager.addressTls && readClientTls(runnerManager.addressTls),
    log: around.log,
    callsInFlightMax: runnerManager.inFlightMax,
    connectWaitMs: runnerManager.connectTimeoutMs,
  });
  const metrics = new RunnerMetrics(around.metrics, metricPrefix(config));
  const external = createExternalPlugins({
    client,
    shared: around.shared,
    metrics,
    runners,
    callTimeoutMs: runnerManager.callTimeoutMs,
    traceContext: traceContextOf,
  });
  return {
    external,
    publishMetrics() {
      // Workers share their breakers, and their figures are added up: one of them tells.
      metrics.publish(client.links(), workerId === 0 ? external.breakers() : []);
    },
    async report(withManagers) {
      const managers = withManagers ? await client.listRunners(LIST_TIMEOUT_MS) : [];
      return {
        workerId,
        links: client.links(),
        callsInFlight: client.callsInFlight,
        confsHeld: client.confsHeld,
        breakers: external.breakers(),
        managers,
      };
    },
    close: () => client.close(),
  };
}
