import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Logger, RunnerConfig } from '@polygate/chassis';
import type { ConfigUpdate } from '../config/config-item.ts';
import type { CompileFailure } from '../config/snapshot-builder.ts';
import { Discovery } from '../discovery/discovery.ts';
import { NameResolver } from '../dns/name-resolver.ts';
import type { ExplainQuestion } from '../explain/question.ts';
import { HealthMonitor } from '../health/health-monitor.ts';
import { allocateTrafficCounts } from '../metrics/traffic-counts.ts';
import type { MetricSnapshot } from '../metrics/metric-snapshot.ts';
import type { RunnersReport } from '../runner/runners-report.ts';
import type { Listener } from '../server/listeners.ts';
import { allocateCaches } from '../state/shared-cache-memory.ts';
import { allocateLoads, NodeLoads } from '../upstream/balancer/node-loads.ts';
import { healthSettings, listenersOf } from './engine-settings.ts';
import type { Explained, FromWorker, ToWorker, WorkerStart } from './messages.ts';
import { PendingAnswers } from './pending-answers.ts';

const COLLECT_TIMEOUT_MS = 2000;
/** Looking at 100,000 routes takes some milliseconds; a worker that is that late is in trouble. */
const EXPLAIN_TIMEOUT_MS = 3000;
/** Whoever asked for a reload waits that long for it to reach the workers. */
const PLUGINS_TIMEOUT_MS = 1000;
const PLUGINS_LOOK_MS = 5;
const RESTART_DELAY_MS = 1000;
/** Nodes of least_conn and ewma that workers know together: 512 KiB, and 128 KiB a worker. */
const LOADS = 16 * 1024;

/** What one thread is known to serve. */
interface Member {
  readonly workerId: number;
  readonly thread: Worker;
  revision: number;
  pluginGeneration: number;
  failures: readonly CompileFailure[];
  listening: boolean;
}

export interface WorkerPoolOptions {
  readonly start: Omit<
    WorkerStart,
    'workerId' | 'listen' | 'loads' | 'caches' | 'traffic' | 'debugMode'
  >;
  readonly workers: number;
  readonly log: Logger;
  /** The whole configuration, for a worker that comes late. */
  readonly fullUpdate: () => ConfigUpdate;
  /** Called when what all workers serve may have changed. */
  readonly onProgress: () => void;
  /** The metrics of the whole process, in Prometheus's text format. */
  readonly metricsText: () => Promise<string>;
}

/**
 * The worker threads of one data plane. All share the ports; the first to listen finds out which they
 * are. A thread that ends by itself is replaced.
 */
export class WorkerPool {
  /** Checks the nodes for all workers. */
  readonly health: HealthMonitor;
  /** Asks registries for all workers. */
  readonly discovery: Discovery;
  readonly #options: WorkerPoolOptions;
  readonly #members = new Map<number, Member>();
  readonly #collecting = new PendingAnswers<MetricSnapshot>(COLLECT_TIMEOUT_MS);
  readonly #reporting = new PendingAnswers<RunnersReport>(COLLECT_TIMEOUT_MS);
  readonly #explaining = new PendingAnswers<Explained>(EXPLAIN_TIMEOUT_MS);
  readonly #loads: SharedArrayBuffer;
  readonly #caches: WorkerStart['caches'];
  readonly #traffic: SharedArrayBuffer;
  #listen: readonly Listener[];
  #debugMode = false;
  /** As the file has them now; undefined: as at the start. */
  #runners: readonly RunnerConfig[] | undefined;
  #started = false;
  #stopping = false;
  #firstListening: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#listen = listenersOf(options.start.config);
    this.#loads = allocateLoads(LOADS, options.workers);
    this.#traffic = allocateTrafficCounts(options.workers);
    const { config } = options.start;
    this.#caches = allocateCaches(config.pluginSettings.proxyCache.zones);
    const { log } = options;
    const { keyPrefix, authorities } = healthSettings(config);
    const { ipv6 } = config.dns;
    const variables = process.env;
    this.discovery = new Discovery({
      config: config.discovery,
      ipv6,
      authorities,
      variables,
      log,
    });
    this.discovery.connect((change) => {
      // Checks begin when a worker uses the nodes: they are to be known by then.
      this.health.refreshDiscovered(change.type, change.name);
      this.#post({ kind: 'service', change });
    });
    this.health = new HealthMonitor({
      keyPrefix,
      authorities,
      log,
      withNodes: (resource) => this.discovery.withNodes(resource),
      lookup: new NameResolver(config.dns).lookup,
    });
    this.health.connect((change) => this.#post({ kind: 'health', change }));
  }

  /** The addresses served, with real ports. */
  get listen(): readonly Listener[] {
    return this.#listen;
  }

  get isServing(): boolean {
    return this.#started && [...this.#members.values()].every(({ listening }) => listening);
  }

  /** The revision that every worker serves at least. */
  get appliedRevision(): number {
    return this.#minimum(({ revision }) => revision);
  }

  get appliedPluginGeneration(): number {
    return this.#minimum(({ pluginGeneration }) => pluginGeneration);
  }

  get failures(): readonly CompileFailure[] {
    return [...this.#members.values()][0]?.failures ?? [];
  }

  /**
   * Starts the first worker with this configuration, waits until it listens, then the others.
   * Rejects when the first cannot listen.
   */
  async begin(update: ConfigUpdate): Promise<void> {
    this.#started = true;
    this.discovery.apply(update);
    this.health.apply(update);
    const listening = new Promise<void>((resolve, reject) => {
      this.#firstListening = resolve;
      this.#failed = reject;
    });
    this.#spawn(0, update);
    await listening;
    for (let id = 1; id < this.#options.workers; id++) this.#spawn(id, this.#options.fullUpdate());
  }

  send(update: ConfigUpdate): void {
    this.discovery.apply(update);
    this.#post({ kind: 'update', update });
    // Workers speak of upstreams when they have it: this comes first.
    this.health.apply(update);
  }

  /** Also of workers that come later. */
  setDebugMode(on: boolean): void {
    this.#debugMode = on;
    this.#post({ kind: 'debug-mode', on });
  }

  /** After a rotation. */
  reopenLogs(): void {
    this.#post({ kind: 'reopen-logs' });
  }

  /** Resolves when every worker that serves has the plugins of this generation, or is late. */
  async untilPlugins(generation: number): Promise<void> {
    const endMs = performance.now() + PLUGINS_TIMEOUT_MS;
    const isBehind = ({ listening, pluginGeneration }: Member): boolean =>
      listening && pluginGeneration < generation;
    while ([...this.#members.values()].some(isBehind) && performance.now() < endMs) {
      await pause(PLUGINS_LOOK_MS);
    }
  }

  /** One snapshot a worker; those of a worker that does not answer in time are left out. */
  collectMetrics(): Promise<MetricSnapshot[]> {
    return this.#askAll(this.#collecting, (id) => ({ kind: 'collect-metrics', id }));
  }

  /** One report a worker, as with metrics; the first one asks the runner managers too. */
  reportRunners(): Promise<RunnersReport[]> {
    const [first] = this.#members.keys();
    return this.#reportRunners((workerId) => workerId === first);
  }

  /** Also of workers that come later. Resolves when those that are there have done it. */
  async takeRunners(runners: readonly RunnerConfig[]): Promise<void> {
    this.#runners = runners;
    this.#post({ kind: 'take-runners', runners });
    // An answer comes after all that was posted before the question.
    await this.#reportRunners(() => false);
  }

  #reportRunners(withManagers: (workerId: number) => boolean): Promise<RunnersReport[]> {
    return this.#askAll(this.#reporting, (id, workerId) => ({
      kind: 'report-runners',
      id,
      withManagers: withManagers(workerId),
    }));
  }

  async #askAll<T>(
    answers: PendingAnswers<T>,
    question: (id: number, workerId: number) => ToWorker,
  ): Promise<T[]> {
    const asked = [...this.#members.values()].map(({ thread, workerId }) =>
      answers.ask((id) => thread.postMessage(question(id, workerId))),
    );
    return (await Promise.all(asked)).filter((answer) => answer !== undefined);
  }

  /** By one of the workers: all serve the same configuration, or will in a moment. */
  async explain(question: ExplainQuestion): Promise<Explained> {
    const member = [...this.#members.values()].find(({ listening }) => listening);
    if (member === undefined) return { ok: false, reason: 'no worker is serving yet' };
    const explained = await this.#explaining.ask((id) =>
      member.thread.postMessage({ kind: 'explain', id, question } satisfies ToWorker),
    );
    return explained ?? { ok: false, reason: `worker ${member.workerId} did not answer in time` };
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.health.close();
    this.discovery.close();
    // One that has crashed, and is not replaced any more, has ended: its id is gone.
    const ends = [...this.#members.values()]
      .filter(({ thread }) => thread.threadId !== -1)
      .map(
        ({ thread }) => new Promise<void>((resolve) => void thread.once('exit', () => resolve())),
      );
    this.#post({ kind: 'stop', graceMs });
    const late = setTimeout(() => {
      for (const { thread } of this.#members.values()) void thread.terminate();
    }, graceMs + 1000);
    await Promise.all(ends);
    clearTimeout(late);
  }

  #post(message: ToWorker): void {
    for (const { thread } of this.#members.values()) thread.postMessage(message);
  }

  #minimum(read: (member: Member) => number): number {
    const values = [...this.#members.values()].map(read);
    return values.length === 0 ? 0 : Math.min(...values);
  }

  #spawn(workerId: number, update: ConfigUpdate): void {
    const { log, start } = this.#options;
    const thread = new Worker(new URL('./worker-thread.ts', import.meta.url), {
      workerData: {
        ...start,
        workerId,
        loads: this.#loads,
        caches: this.#caches,
        traffic: this.#traffic,
        listen: this.#listen,
        debugMode: this.#debugMode,
      } satisfies WorkerStart,
    });
    const member: Member = {
      workerId,
      thread,
      revision: 0,
      pluginGeneration: 0,
      failures: [],
      listening: false,
    };
    this.#members.set(workerId, member);
    thread.on('message', (message: FromWorker) => this.#onMessage(member, message));
    thread.on('error', (error: Error) => {
      log.error(`worker ${workerId} failed: ${error.stack ?? error.message}`);
      this.#failed(error);
    });
    thread.once('exit', (code) => this.#onExit(member, code));
    if (this.#runners !== undefined) {
      const runners = this.#runners;
      thread.postMessage({ kind: 'take-runners', runners } satisfies ToWorker);
    }
    thread.postMessage({ kind: 'update', update } satisfies ToWorker);
    for (const change of this.health.changes) {
      thread.postMessage({ kind: 'health', change } satisfies ToWorker);
    }
  }

  #onMessage(member: Member, message: FromWorker): void {
    switch (message.kind) {
      case 'applied':
        member.revision = message.revision;
        member.pluginGeneration = message.pluginGeneration;
        member.failures = message.failures;
        break;
      case 'refused':
        this.#options.log.error(
          `worker ${member.workerId} keeps its configuration, ` +
            `revision ${message.revision} was refused: ${message.reason}`,
        );
        break;
      case 'listening':
        member.listening = true;
        this.#listen = message.listen;
        this.#firstListening();
        break;
      case 'metrics':
        this.#collecting.answer(message.id, message.snapshot);
        return;
      case 'runners':
        this.#reporting.answer(message.id, message.report);
        return;
      case 'ask-metrics':
        void this.#tellMetrics(member, message.id);
        return;
      case 'health-reports':
        this.health.receive(message.reports);
        return;
      case 'services':
        this.discovery.receive(member.workerId, message.wishes);
        return;
      case 'explained':
        this.#explaining.answer(message.id, message.explained);
        return;
    }
    this.#options.onProgress();
  }

  async #tellMetrics({ thread }: Member, id: number): Promise<void> {
    const text = await this.#options.metricsText().catch((error: unknown) => {
      this.#options.log.error(`Failed to collect metrics: ${String(error)}`);
      return undefined;
    });
    thread.postMessage({ kind: 'metrics-text', id, text } satisfies ToWorker);
  }

  #onExit(member: Member, code: number): void {
    const { log } = this.#options;
    new NodeLoads(this.#loads, member.workerId).forgetWorker(member.workerId);
    this.discovery.forget(member.workerId);
    const hasListened = member.listening;
    member.listening = false;
    if (this.#stopping) return;
    if (!hasListened) {
      this.#failed(
        new Error(`worker ${member.workerId} ended with code ${code} before it listened`),
      );
      if (member.workerId === 0) return;
    }
    log.error(`worker ${member.workerId} ended with code ${code}, starting another one`);
    setTimeout(() => {
      if (!this.#stopping) this.#spawn(member.workerId, this.#options.fullUpdate());
    }, RESTART_DELAY_MS);
  }
}
