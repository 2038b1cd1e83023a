import type { Counter, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { BatchProcessor } from './batch-processor.ts';
import { PENDING_ENTRIES_MAX, type BatchConf } from './batch.schema.ts';

/** Entries of one plugin that wait in one worker, in characters: bodies may be in them. */
const PENDING_CHARS_MAX = 64 * 1024 * 1024;
/** One line an entry would be a flood, just when things go wrong. */
const DISCARD_LOG_MS = 1000;

/** Where batches go. */
export interface LogSink<Entry> {
  /** Rejects when they have to be sent again. */
  send(entries: readonly Entry[]): Promise<void>;
  /** After the last batch. */
  close?(): void;
}

export interface LogBatchOptions<Entry> {
  readonly plugin: string;
  readonly conf: BatchConf;
  readonly env: Pick<PluginEnvironment, 'source' | 'metadata' | 'metrics' | 'log'>;
  /** Told apart from others of the same object by this too. */
  readonly discriminator?: string;
  readonly openSink: () => LogSink<Entry>;
}

/** The way of one conf's entries to its sink. */
export interface LogBatch<Entry> {
  /**
   * Never waits. `ctx`: undefined for what is of no request. `chars`: how much memory the entry takes,
   * about. The entry is discarded, and counted, when the plugin has `max_pending_entries` waiting.
   */
  push(ctx: RequestContext | undefined, entry: Entry, chars: number): void;
  /** Sends what waits; to be called once. */
  release(): void;
}

/**
 * All batches of one thread. A conf that is written anew without a change keeps its batch, with what
 * waits in it; one that did change gets a new one, and the old one sends what it has to the old sink.
 */
export class LogBatches {
  readonly #backlogs = new Map<string, Backlog>();
  readonly #open = new Map<string, OpenBatch<unknown>>();
  /** Released, with entries that are not sent yet. */
  readonly #ending = new Set<OpenBatch<unknown>>();

  acquire<Entry>(options: LogBatchOptions<Entry>): LogBatch<Entry> {
    const { plugin, conf, env, discriminator = '' } = options;
    const backlog = this.#backlogs.get(plugin) ?? new Backlog(plugin, env);
    this.#backlogs.set(plugin, backlog);
    const key = [
      plugin,
      env.source.kind,
      env.source.id,
      discriminator,
      JSON.stringify(conf),
    ].join();
    const known = this.#open.get(key) as OpenBatch<Entry> | undefined;
    const batch = known ?? new OpenBatch<Entry>(options, backlog);
    batch.users += 1;
    this.#open.set(key, batch as OpenBatch<unknown>);
    const pendingMax = pendingEntriesMax(env.metadata);
    return {
      push(ctx, entry, chars) {
        if (backlog.take(pendingMax, chars, env.log)) batch.push(ctx, { entry, chars });
      },
      release: () => this.#release(key, batch as OpenBatch<unknown>),
    };
  }

  /** Sends what waits, for so many milliseconds; what is left then is counted as dropped. */
  async drain(graceMs: number): Promise<void> {
    const batches = [...this.#open.values(), ...this.#ending];
    for (const batch of batches) batch.stop();
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, graceMs);
    await Promise.race([Promise.all(batches.map((batch) => batch.whenIdle())), limit.promise]);
    clearTimeout(timer);
    for (const batch of batches) batch.abandon();
  }

  #release(key: string, batch: OpenBatch<unknown>): void {
    batch.users -= 1;
    if (batch.users > 0) return;
    if (this.#open.get(key) === batch) this.#open.delete(key);
    this.#ending.add(batch);
    void batch.end().then(() => this.#ending.delete(batch));
  }
}

/** Of this thread, as the files are: a worker that stops has to send what all of its plugins hold. */
export const logBatches = new LogBatches();

interface Weighed<Entry> {
  readonly entry: Entry;
  readonly chars: number;
}

class OpenBatch<Entry> {
  users = 0;
  readonly #options: LogBatchOptions<Entry>;
  readonly #backlog: Backlog;
  #sink: LogSink<Entry> | undefined;
  #processor: BatchProcessor<Weighed<Entry>> | undefined;

  constructor(options: LogBatchOptions<Entry>, backlog: Backlog) {
    this.#options = options;
    this.#backlog = backlog;
  }

  push(ctx: RequestContext | undefined, entry: Weighed<Entry>): void {
    this.#processor ??= this.#start(ctx);
    this.#processor.push(entry);
  }

  stop(): void {
    this.#processor?.stop();
  }

  async whenIdle(): Promise<void> {
    await this.#processor?.whenIdle();
  }

  abandon(): void {
    const { conf, env } = this.#options;
    const lost = this.#processor?.abandon() ?? 0;
    if (lost === 0) return;
    env.log.error(`Batch Processor[${conf.name}] is stopped with ${lost} entries not sent`);
  }

  async end(): Promise<void> {
    this.#processor?.flush();
    await this.whenIdle();
    this.#sink?.close?.();
    this.#options.env.log.info(
      `removing batch processor stale object, conf: ${this.#options.env.source.kind}#` +
        this.#options.env.source.id,
    );
  }

  #start(ctx: RequestContext | undefined): BatchProcessor<Weighed<Entry>> {
    const { conf, env } = this.#options;
    // as in APISIX, a batch of several routes bears the name of the first that filled it
    const labels = [conf.name, ctx?.route?.id ?? '', ctx?.server.address ?? ''];
    const buffered = env.metrics.gauge(
      'apisix_batch_process_entries',
      'batch process remaining entries',
      ['name', 'route_id', 'server_addr'],
    );
    const hasMetric = conf.batch_max_size > 1 && ctx?.route !== undefined;
    const sink = this.#options.openSink();
    this.#sink = sink;
    return new BatchProcessor({
      conf,
      log: env.log,
      send: (entries) => sink.send(entries.map(({ entry }) => entry)),
      onBuffered: (count) => hasMetric && buffered.set(labels, count),
      onSettled: (entries, outcome) => this.#backlog.settle(entries, outcome),
    });
  }
}

/** What one plugin has waiting in this thread, whatever number of confs it has. */
class Backlog {
  readonly #plugin: string;
  readonly #dropped: Counter;
  #pushed = 0;
  #settled = 0;
  #chars = 0;
  #unreported = 0;
  #reportedMs = -Infinity;

  constructor(plugin: string, { metrics }: Pick<PluginEnvironment, 'metrics'>) {
    this.#plugin = plugin;
    this.#dropped = metrics.counter(
      'polygate_log_entries_dropped_total',
      'Log entries that were lost: no room, the retries used up, or the process stopped',
      ['plugin', 'reason'],
    );
  }

  /** False: there is no room. */
  take(pendingMax: number, chars: number, log: PluginEnvironment['log']): boolean {
    const isFull =
      this.#pushed - this.#settled >= pendingMax || this.#chars + chars > PENDING_CHARS_MAX;
    if (isFull) {
      this.#discard(pendingMax, log);
      return false;
    }
    this.#pushed += 1;
    this.#chars += chars;
    return true;
  }

  settle(entries: readonly Weighed<unknown>[], outcome: 'sent' | 'dropped'): void {
    this.#settled += entries.length;
    for (const { chars } of entries) this.#chars -= chars;
    if (outcome === 'dropped') this.#dropped.increment([this.#plugin, 'sink'], entries.length);
  }

  #discard(pendingMax: number, log: PluginEnvironment['log']): void {
    this.#dropped.increment([this.#plugin, 'backlog']);
    this.#unreported += 1;
    const nowMs = performance.now();
    if (nowMs - this.#reportedMs < DISCARD_LOG_MS) return;
    log.error(
      'max pending entries limit exceeded. discarding entry.' +
        ` total_pushed_entries: ${this.#pushed} total_processed_entries: ${this.#settled}` +
        ` max_pending_entries: ${pendingMax} discarded_entries: ${this.#unreported}`,
    );
    this.#reportedMs = nowMs;
    this.#unreported = 0;
  }
}

function pendingEntriesMax(metadata: PluginEnvironment['metadata']): number {
  const max = metadata['max_pending_entries'];
  return typeof max === 'number' ? max : PENDING_ENTRIES_MAX;
}
