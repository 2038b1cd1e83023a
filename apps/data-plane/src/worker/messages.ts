import type { GatewayConfig, RunnerConfig } from '@polygate/chassis';
import type { ConfigUpdate } from '../config/config-item.ts';
import type { CompileFailure } from '../config/snapshot-builder.ts';
import type { ServiceChange, ServiceWishes } from '../discovery/discovery-messages.ts';
import type { ExplainQuestion } from '../explain/question.ts';
import type { HealthChange, HealthReports } from '../health/health-messages.ts';
import type { MetricSnapshot } from '../metrics/metric-snapshot.ts';
import type { RunnersReport } from '../runner/runners-report.ts';
import type { Listener } from '../server/listeners.ts';
import type { TlsSecrets } from '../tls/tls-settings.ts';

/** What a worker thread is started with. */
export interface WorkerStart {
  readonly config: GatewayConfig;
  readonly workerId: number;
  /** With real ports: the first worker may have found them. */
  readonly listen: readonly Listener[];
  readonly counters: SharedArrayBuffer;
  /** Requests in flight and response times of nodes. */
  readonly loads: SharedArrayBuffer;
  /** Zones of proxy-cache in memory, by name. */
  readonly caches: ReadonlyMap<string, SharedArrayBuffer>;
  /** What connections are about, of all workers. */
  readonly traffic: SharedArrayBuffer;
  readonly tlsSecrets: TlsSecrets;
  /** By which others know this process. */
  readonly nodeId: string;
  readonly version: string;
  /** What it begins with. */
  readonly debugMode: boolean;
}

/** What a request would come to, or why that is not known. */
export type Explained =
  | { readonly ok: true; readonly document: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reason: string };

export type ToWorker =
  | { readonly kind: 'update'; readonly update: ConfigUpdate }
  | { readonly kind: 'collect-metrics'; readonly id: number }
  | { readonly kind: 'explain'; readonly id: number; readonly question: ExplainQuestion }
  | { readonly kind: 'report-runners'; readonly id: number; readonly withManagers: boolean }
  /** The configuration file was read again. */
  | { readonly kind: 'take-runners'; readonly runners: readonly RunnerConfig[] }
  /** Health checks found something out. */
  | { readonly kind: 'health'; readonly change: HealthChange }
  /** A registry told of a service. */
  | { readonly kind: 'service'; readonly change: ServiceChange }
  /** Whether answers name the plugins that ran. */
  | { readonly kind: 'debug-mode'; readonly on: boolean }
  /** What was asked for; undefined: it could not be had. */
  | { readonly kind: 'metrics-text'; readonly id: number; readonly text: string | undefined }
  /** Log files were renamed: go on in new ones. */
  | { readonly kind: 'reopen-logs' }
  /** Stop listening, finish what is in flight within the time, then exit. */
  | { readonly kind: 'stop'; readonly graceMs: number };

export type FromWorker =
  | {
      readonly kind: 'applied';
      readonly revision: number;
      readonly pluginGeneration: number;
      readonly failures: readonly CompileFailure[];
    }
  /** The update could not be applied at all: the former configuration stays. */
  | { readonly kind: 'refused'; readonly revision: number; readonly reason: string }
  /** After the first update. */
  | { readonly kind: 'listening'; readonly listen: readonly Listener[] }
  | { readonly kind: 'metrics'; readonly id: number; readonly snapshot: MetricSnapshot }
  /** A plugin shows the metrics of the whole process. */
  | { readonly kind: 'ask-metrics'; readonly id: number }
  | { readonly kind: 'health-reports'; readonly reports: HealthReports }
  | { readonly kind: 'services'; readonly wishes: ServiceWishes }
  | { readonly kind: 'runners'; readonly id: number; readonly report: RunnersReport }
  | { readonly kind: 'explained'; readonly id: number; readonly explained: Explained };
