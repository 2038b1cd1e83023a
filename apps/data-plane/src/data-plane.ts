import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayConfig, Logger, RunnerConfig } from '@polygate/chassis';
import { EMPTY_REVISION } from '@polygate/config-store';
import type { ConfigStore } from '@polygate/config-store';
import type { ConfigUpdate } from './config/config-item.ts';
import { ConfigState } from './config/config-state.ts';
import { rejectedByWorkers } from './config/rejected-by-workers.ts';
import type { StoreEvent } from './config/guard/known-items.ts';
import { isStandalone } from './config/is-standalone.ts';
import { guardSettings } from './config/guard/guard-settings.ts';
import { StoreGuard } from './config/guard/store-guard.ts';
import { environmentVariables } from './config/secrets/environment-reference.ts';
import { SecretCache } from './config/secrets/secret-cache.ts';
import { ControlLink } from './control/control-link.ts';
import { collectGarbage } from './control-api/collect-garbage.ts';
import { startControlApi } from './control-api/control-api.ts';
import type { ControlApi } from './control-api/control-api.ts';
import type { ControlView } from './control-api/control-view.ts';
import type { DebugFile } from './control-api/debug-file.ts';
import { startDebugMode } from './control-api/debug-mode.ts';
import { PluginEndpoints } from './control-api/plugin-endpoints.ts';
import { addConfs } from './explain/add-confs.ts';
import type { ExplainQuestion } from './explain/question.ts';
import { MainThreadPlugins } from './main-thread-plugins.ts';
import { exporterSettings } from './metrics/exporter-settings.ts';
import { processSnapshot } from './metrics/process-snapshot.ts';
import type { MetricSnapshot } from './metrics/metric-snapshot.ts';
import { sharedScrape, startMetricsExporter } from './metrics/metrics-exporter.ts';
import type { MetricsExporter } from './metrics/metrics-exporter.ts';
import packageJson from '../package.json' with { type: 'json' };
import { pluginNamesOf, SelectedPlugins } from './plugin-selection.ts';
import type { Listener } from './server/listeners.ts';
import { allocateCounters } from './state/shared-counters.ts';
import { createTlsSecrets } from './tls/tls-settings.ts';
import { WorkerPool } from './worker/worker-pool.ts';

const VERSION = packageJson.version;
/** About 17 MiB: 512 Ki counters exact over all workers. */
const COUNTERS = 512 * 1024;
/** How often it is looked whether a secret is due to be fetched again. */
const SECRETS_LOOK_MS = 1000;
const CALLS_ON_THEIR_WAY_MS = 100;

export interface DataPlaneOptions {
  readonly config: GatewayConfig;
  readonly store: ConfigStore;
  readonly log: Logger;
}

export interface DataPlane {
  /** Resolves when every worker listens. Rejects when a port cannot be had. */
  readonly serving: Promise<void>;
  /** With real ports, once serving. */
  readonly listen: readonly Listener[];
  /** Of the Prometheus exporter; undefined when there is none. */
  readonly metricsPort: number | undefined;
  /** Of the Control API; undefined when it is off, or its port is taken. */
  readonly controlPort: number | undefined;
  isReady(): boolean;
  /** Revision that every worker serves. */
  appliedRevision(): number;
  /** What is served was kept on disk, and why. Undefined: it is the store's. */
  whyStale(): string | undefined;
  /** As nginx at USR1: the workers' log files were moved away. */
  reopenLogs(): void;
  /**
   * Calls of external plugins go where these runners have them. Resolves when no worker calls a runner
   * that is not among them any more.
   */
  takeRunners(runners: readonly RunnerConfig[]): Promise<void>;
  stop(graceMs: number): Promise<void>;
}

/** Watches the store, validates, hands updates to the worker threads, reports to the control side. */
export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const plane = new RunningDataPlane(options);
  await plane.start();
  return plane;
}

class RunningDataPlane implements DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #secrets: SecretCache;
  readonly #state: ConfigState;
  readonly #guard: StoreGuard;
  readonly #pool: WorkerPool;
  readonly #abort = new AbortController();
  readonly serving: Promise<void>;
  #resolveServing: () => void = () => undefined;
  #rejectServing: (error: Error) => void = () => undefined;
  readonly #plugins: SelectedPlugins;
  #control: ControlLink | undefined;
  #exporter: MetricsExporter | undefined;
  #controlApi: ControlApi | undefined;
  #debugMode: DebugFile | undefined;
  readonly #pluginEndpoints: PluginEndpoints;
  readonly #instanceId: string;
  readonly #mainThreadPlugins: MainThreadPlugins;
  #watching: Promise<void> = Promise.resolve();
  /** Events are applied one after another, whoever tells them. */
  #turn: Promise<void> = Promise.resolve();
  #begun = false;
  #secretTimer: NodeJS.Timeout | undefined;
  #storeConnected = true;
  /** The workers missed a change. */
  #isBehind = false;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
    const { config, log } = options;
    this.serving = new Promise((resolve, reject) => {
      this.#resolveServing = resolve;
      this.#rejectServing = reject;
    });
    // Whoever wants to know awaits it; that nobody does must not end the process.
    this.serving.catch(() => undefined);
    this.#plugins = new SelectedPlugins({ config, log, onChange: () => this.#sendSelection() });
    this.#pluginEndpoints = new PluginEndpoints(log);
    this.#secrets = new SecretCache({
      variables: environmentVariables(process.env, config.nginxEnvs),
      ...config.secretCache,
      log,
    });
    this.#state = new ConfigState(this.#plugins.definitions, log, {
      encryption: config.dataEncryption,
      resolve: (reference) => this.#secrets.resolve(reference),
      unknownPlugins: isStandalone(config) ? 'reject' : 'skip',
    });
    this.#guard = new StoreGuard({
      ...guardSettings(config),
      store: options.store,
      log,
      lastGoodOf: (key) => this.#state.servedVersion(key),
      inTurn: (run) => this.#inTurn(run),
      apply: (event) => this.#onEvent(event),
    });
    this.#instanceId = config.nodeId ?? randomUUID();
    this.#mainThreadPlugins = new MainThreadPlugins({
      ...{ ...options, id: this.#instanceId, version: VERSION },
      selection: () => this.#plugins.selection,
      reopenLogs: () => this.reopenLogs(),
    });
    this.#pool = new WorkerPool({
      start: {
        config,
        nodeId: this.#instanceId,
        counters: allocateCounters(COUNTERS),
        tlsSecrets: createTlsSecrets(),
        version: VERSION,
      },
      workers: config.workers,
      log,
      fullUpdate: () => ({ ...this.#state.full(), plugins: this.#plugins.selection }),
      onProgress: () => this.#onProgress(),
      metricsText: sharedScrape({ collect: () => this.#collectMetrics() }),
    });
  }

  async start(): Promise<void> {
    const { config, log } = this.#options;
    await this.#plugins.start();
    const exporter = exporterSettings(config);
    if (exporter !== undefined && this.#plugins.selection.names.includes('prometheus')) {
      this.#exporter = await startMetricsExporter({
        ...exporter,
        collect: () => this.#collectMetrics(),
        log,
      });
    }
    if (!isStandalone(config)) {
      this.#control = new ControlLink({
        address: config.polygate.control.address,
        instanceId: this.#instanceId,
        version: VERSION,
        log,
        report: () => ({
          revision: this.appliedRevision(),
          rejected: [
            ...this.#state.rejected,
            ...rejectedByWorkers(this.#pool.failures, this.appliedRevision()),
          ],
          pluginGeneration: this.#pool.appliedPluginGeneration,
          pluginNames: this.#plugins.selection.names,
        }),
        onReloadPlugins: (_, names) => void this.#reloadPlugins(names),
        onExplain: (question) => this.#explain(question),
      });
    }
    this.#controlApi = await this.#startControlApi();
    this.#debugMode = await startDebugMode({
      configDir: config.configDir,
      log,
      plugins: () => [...this.#plugins.definitions.values()],
      set: (on) => this.#pool.setDebugMode(on),
    });
    this.#watching = this.#watch();
    this.#guard.start(this.#abort.signal);
    this.#mainThreadPlugins.start();
    this.#secretTimer = setInterval(() => void this.#refreshSecrets(), SECRETS_LOOK_MS);
  }

  get listen(): readonly Listener[] {
    return this.#pool.listen;
  }

  get metricsPort(): number | undefined {
    return this.#exporter?.port;
  }

  get controlPort(): number | undefined {
    return this.#controlApi?.port;
  }

  /** Driven by the Admin API it answers before there is a configuration, but is not ready. */
  isReady(): boolean {
    const isGiven =
      this.#options.config.configProvider !== 'memory' || this.appliedRevision() > EMPTY_REVISION;
    return this.#pool.isServing && isGiven && this.#pool.discovery.isReady;
  }

  appliedRevision(): number {
    return this.#pool.appliedRevision;
  }

  whyStale(): string | undefined {
    return this.#guard.whyStale();
  }

  reopenLogs(): void {
    this.#pool.reopenLogs();
  }

  async takeRunners(runners: readonly RunnerConfig[]): Promise<void> {
    await this.#pool.takeRunners(runners);
    // What workers wrote before has reached the manager by then.
    await sleep(CALLS_ON_THEIR_WAY_MS);
  }

  async stop(graceMs: number): Promise<void> {
    this.#abort.abort();
    clearInterval(this.#secretTimer);
    this.#mainThreadPlugins.stop();
    this.#plugins.close();
    this.#control?.close();
    await this.#watching;
    await this.#guard.close();
    await this.#pool.stop(graceMs);
    await this.#exporter?.close();
    this.#debugMode?.close();
    await this.#controlApi?.close();
  }

  async #watch(): Promise<void> {
    const { log, store } = this.#options;
    try {
      for await (const event of store.watch(this.#abort.signal)) {
        if (event.kind !== 'status') {
          await this.#inTurn(() => this.#onEvent(event)).catch((error: unknown) => {
            // A watch that ended here would freeze the configuration: the next event sends it whole.
            this.#isBehind = true;
            log.error(`revision ${event.revision} did not reach the workers: ${String(error)}`);
          });
          continue;
        }
        this.#storeConnected = event.connected;
        if (event.connected) log.info('configuration store is connected');
        else {
          log.error(`configuration store is out of reach: ${event.reason ?? 'unknown reason'}`);
          void this.#guard.startFromDisk('the store is out of reach');
        }
      }
    } catch (error) {
      log.error(`watching the configuration failed: ${String(error)}`);
      this.#rejectServing(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #onEvent(event: StoreEvent): Promise<void> {
    this.#guard.observe(event);
    const names = pluginNamesOf(event, this.#options.log);
    const isOther = names !== undefined && this.#plugins.select(names);
    if (!this.#begun) {
      this.#state.selectPlugins(this.#plugins.definitions);
      const update = await this.#withSecrets(event);
      this.#begun = true;
      const first = { ...update, plugins: this.#plugins.selection };
      this.#pool.begin(first).catch((error: unknown) => this.#rejectServing(error as Error));
    } else {
      const update = await this.#withSecrets(event);
      if (isOther || this.#isBehind) this.#sendSelection();
      else this.#pool.send(update);
      this.#isBehind = false;
    }
    this.#onProgress();
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(run);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Applies it, and again once the secrets that it refers to are there: no worker waits for them. */
  async #withSecrets(event: StoreEvent): Promise<ConfigUpdate> {
    const isOther = this.#secrets.observe(event);
    const update = this.#state.apply(event);
    if (!isOther && !this.#secrets.isDue) return update;
    await this.#secrets.refresh(this.#abort.signal);
    return this.#secrets.askAnew(() => this.#state.revalidate());
  }

  async #refreshSecrets(): Promise<void> {
    const changed = await this.#secrets.refresh(this.#abort.signal);
    if (!changed || !this.#begun || this.#abort.signal.aborted) return;
    this.#pool.send(this.#secrets.askAnew(() => this.#state.revalidate()));
    this.#options.log.info('secrets have changed: the configuration is built anew');
  }

  async #explain(question: ExplainQuestion): Promise<string> {
    const explained = await this.#pool.explain(question);
    if (!explained.ok) throw new Error(explained.reason);
    return addConfs(explained.document, this.#state.written());
  }

  async #reloadPlugins(wanted: readonly string[]): Promise<void> {
    await this.#plugins.reload(wanted);
    this.#sendSelection();
  }

  /** A data plane whose port is taken, as by another one on this machine, serves on without it. */
  async #startControlApi(): Promise<ControlApi | undefined> {
    const { config, log } = this.#options;
    const { enabled, host, port } = config.control;
    if (!enabled) return undefined;
    const productName = config.serverTokens ? `Polygate/${VERSION}` : 'Polygate';
    try {
      return await startControlApi({ host, port, productName, view: this.#controlView(), log });
    } catch (error) {
      log.error(`no Control API: ${String(error)}`);
      return undefined;
    }
  }

  #controlView(): ControlView {
    const { config } = this.#options;
    const isFile = isStandalone(config);
    return {
      source: { keyPrefix: isFile ? '' : config.etcd.prefix, hasCreatedIndex: !isFile },
      items: () => this.#state.written(),
      plugins: () => [...this.#plugins.definitions.values()],
      streamPlugins: () => this.#plugins.streamPlugins,
      listed: () => this.#plugins.listed,
      checkedNodes: (item) => this.#pool.health.targetsOf(item),
      registry: (type) => this.#pool.discovery.source(type),
      pluginEndpoints: () => this.#pluginEndpoints.of(this.#plugins),
      reloadPlugins: async () => {
        await this.#plugins.reloadFromFile();
        this.#sendSelection();
        if (this.#begun) await this.#pool.untilPlugins(this.#plugins.selection.generation);
      },
      collectGarbage,
      serverInfo: () => this.#mainThreadPlugins.serverInfo,
      runners: () => this.#pool.reportRunners(),
    };
  }

  #sendSelection(): void {
    const update = this.#state.selectPlugins(this.#plugins.definitions);
    if (this.#begun) this.#pool.send({ ...update, plugins: this.#plugins.selection });
  }

  #onProgress(): void {
    if (this.#pool.isServing) this.#resolveServing();
    this.#control?.report();
  }

  async #collectMetrics(): Promise<readonly MetricSnapshot[]> {
    return [this.#processMetrics(), ...(await this.#pool.collectMetrics())];
  }

  #processMetrics(): MetricSnapshot {
    return processSnapshot(this.#options.config, {
      version: VERSION,
      store: isStandalone(this.#options.config)
        ? undefined
        : {
            isReachable: this.#storeConnected,
            revision: this.#state.revision,
            newestRevisions: this.#state.newestRevisions(),
          },
      guard: this.#guard.report,
      nodes: this.#pool.health.statuses,
    });
  }
}
