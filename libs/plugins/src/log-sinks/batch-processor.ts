import type { Logger } from '@polygate/plugin-sdk';
import type { BatchConf } from './batch.schema.ts';

/** A sink that is slow gets no more batches than this at a time; the rest waits. */
const SENDS_MAX = 32;
/** The most that a timer can wait, about 24 days. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** Between two tries while the process is stopping. */
const STOPPING_RETRY_MS_MAX = 100;

/** Thrown by `send` when entries before `firstFailed` (from 0) have arrived: those are not sent again. */
export class PartlySent extends Error {
  readonly firstFailed: number;

  constructor(message: string, firstFailed: number) {
    super(message);
    this.name = 'PartlySent';
    this.firstFailed = firstFailed;
  }
}

export interface BatchProcessorOptions<Entry> {
  readonly conf: BatchConf;
  /** Rejects when the batch has to be sent again. */
  readonly send: (entries: readonly Entry[]) => Promise<void>;
  readonly log: Logger;
  /** Told how many entries wait in the buffer. */
  readonly onBuffered: (count: number) => void;
  /** Told of entries that are done with. */
  readonly onSettled: (entries: readonly Entry[], outcome: 'sent' | 'dropped') => void;
}

interface Batch<Entry> {
  entries: readonly Entry[];
  tries: number;
}

/**
 * Gathers entries and hands them on in batches: when there are `batch_max_size` of them, when none came
 * for `inactive_timeout`, or when the first is `buffer_duration` old. A batch that fails is tried again
 * `max_retry_count` times and then dropped. Source: apisix/utils/batch-processor.lua.
 */
export class BatchProcessor<Entry> {
  readonly #options: BatchProcessorOptions<Entry>;
  #buffer: Entry[] = [];
  #firstEntryMs = 0;
  #lastEntryMs = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Ready to be sent, more than `SENDS_MAX` at a time are not. */
  readonly #ready: Batch<Entry>[] = [];
  readonly #waiting = new Map<Batch<Entry>, NodeJS.Timeout>();
  readonly #sending = new Set<Batch<Entry>>();
  #isStopping = false;
  #onIdle: (() => void)[] = [];

  constructor(options: BatchProcessorOptions<Entry>) {
    this.#options = options;
  }

  /** Never waits, never throws. */
  push(entry: Entry): void {
    const { conf, onBuffered, log } = this.#options;
    if (conf.batch_max_size === 1) return this.#enqueue({ entries: [entry], tries: 0 });
    const nowMs = performance.now();
    if (this.#buffer.length === 0) this.#firstEntryMs = nowMs;
    this.#lastEntryMs = nowMs;
    this.#buffer.push(entry);
    onBuffered(this.#buffer.length);
    if (this.#buffer.length >= conf.batch_max_size) {
      log.debug(`Batch Processor[${conf.name}] batch max size has exceeded`);
      this.flush();
    } else if (this.#timer === undefined) {
      this.#schedule();
    }
  }

  /** Sends what has been gathered. */
  flush(): void {
    const entries = this.#buffer;
    if (entries.length === 0) return;
    this.#options.log.debug(
      `transferring buffer entries to processing pipe line, buffercount[${entries.length}]`,
    );
    this.#buffer = [];
    this.#options.onBuffered(0);
    this.#enqueue({ entries, tries: 0 });
  }

  /** Resolves when nothing is left, sent or dropped. */
  async whenIdle(): Promise<void> {
    if (this.#isIdle) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Sends what there is, without long waits between tries; entries may still come. */
  stop(): void {
    this.#isStopping = true;
    this.flush();
    for (const [batch, timer] of this.#waiting) {
      clearTimeout(timer);
      this.#waiting.delete(batch);
      this.#enqueue(batch);
    }
  }

  /** Gives up on everything that has not been sent, and answers how many entries that is. */
  abandon(): number {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    const batches = [...this.#waiting.keys(), ...this.#ready, ...this.#sending];
    const entries = [...batches.flatMap((batch) => batch.entries), ...this.#buffer];
    for (const batch of batches) batch.entries = [];
    this.#waiting.clear();
    this.#ready.length = 0;
    this.#buffer = [];
    if (entries.length > 0) this.#options.onSettled(entries, 'dropped');
    return entries.length;
  }

  get #isIdle(): boolean {
    const batches = this.#ready.length + this.#waiting.size + this.#sending.size;
    return this.#buffer.length + batches === 0;
  }

  #schedule(): void {
    const delayMs = Math.min(this.#options.conf.inactive_timeout * 1000, TIMER_MS_MAX);
    this.#timer = setTimeout(this.#flushWhenDue, delayMs).unref();
  }

  readonly #flushWhenDue = (): void => {
    this.#timer = undefined;
    const { conf, log } = this.#options;
    const nowMs = performance.now();
    // a timer may come a little early
    const isDue =
      nowMs - this.#lastEntryMs >= conf.inactive_timeout * 1000 - 1 ||
      nowMs - this.#firstEntryMs >= conf.buffer_duration * 1000 - 1;
    if (this.#buffer.length === 0) return;
    if (isDue) {
      log.debug(`Batch Processor[${conf.name}] buffer duration exceeded, activating buffer flush`);
      this.flush();
    } else {
      log.debug(`Batch Processor[${conf.name}] extending buffer timer`);
      this.#schedule();
    }
  };

  #enqueue(batch: Batch<Entry>): void {
    if (this.#sending.size >= SENDS_MAX) {
      this.#ready.push(batch);
    } else {
      this.#sending.add(batch);
      // not within the request that filled the batch
      setImmediate(() => void this.#run(batch));
    }
  }

  async #run(batch: Batch<Entry>): Promise<void> {
    const { conf, log, onSettled, send } = this.#options;
    try {
      await send(batch.entries);
      log.debug(`Batch Processor[${conf.name}] successfully processed the entries`);
      if (batch.entries.length > 0) onSettled(batch.entries, 'sent');
    } catch (error) {
      // nothing is left of a batch that was given up meanwhile
      if (batch.entries.length > 0) this.#failed(batch, error);
    }
    this.#sending.delete(batch);
    const next = this.#ready.shift();
    if (next !== undefined) this.#enqueue(next);
    if (!this.#isIdle) return;
    for (const idle of this.#onIdle.splice(0)) idle();
  }

  #failed(batch: Batch<Entry>, error: unknown): void {
    const { conf, log, onSettled } = this.#options;
    const reason = error instanceof Error ? error.message : String(error);
    const { entries } = batch;
    if (error instanceof PartlySent && error.firstFailed > 0) {
      batch.entries = entries.slice(error.firstFailed);
      onSettled(entries.slice(0, error.firstFailed), 'sent');
      const left = `${batch.entries.length}/${entries.length}`;
      log.error(`Batch Processor[${conf.name}] failed to process entries [${left}]: ${reason}`);
    } else {
      log.error(`Batch Processor[${conf.name}] failed to process entries: ${reason}`);
    }
    batch.tries += 1;
    if (batch.entries.length === 0) return;
    if (batch.tries <= conf.max_retry_count) return this.#tryAgain(batch);
    log.error(
      `Batch Processor[${conf.name}] exceeded the max_retry_count[${batch.tries}] dropping the entries`,
    );
    onSettled(batch.entries, 'dropped');
  }

  #tryAgain(batch: Batch<Entry>): void {
    const delayMs = Math.min(
      this.#options.conf.retry_delay * 1000,
      this.#isStopping ? STOPPING_RETRY_MS_MAX : TIMER_MS_MAX,
    );
    const timer = setTimeout(() => {
      this.#waiting.delete(batch);
      this.#enqueue(batch);
    }, delayMs).unref();
    this.#waiting.set(batch, timer);
  }
}
