import { definePlugin } from '@polygate/plugin-sdk';
import type { BackgroundSources, ErrorLogLine, Logger } from '@polygate/plugin-sdk';
import { logBatches, type LogBatch } from '../log-sinks/log-batches.ts';
import { definition, LEVELS, type ErrorLogMetadata } from './error-log-logger.schema.ts';
import { openErrorLogSink } from './error-log-sinks.ts';

/** Between two looks at the metadata and at what was logged. */
const LOOK_MS = 1000;
/** Lines of one look; what is more in a second is lost. */
const LINES_MAX = 10_000;

/** Sends the lines of the error log away. It has no part in requests. */
export default definePlugin(definition, {
  publicApis: () => [],

  background(sources) {
    const shipper = new ErrorLogShipper(sources);
    const timer = setInterval(() => shipper.ship(), LOOK_MS).unref();
    return () => {
      clearInterval(timer);
      shipper.close();
    };
  },
});

class ErrorLogShipper {
  readonly #sources: BackgroundSources;
  readonly #unsubscribe: () => void;
  readonly #ownLog: Logger;
  #lines: ErrorLogLine[] = [];
  #isOwn = false;
  #written = '';
  #rank = 0;
  #batch: LogBatch<string> | undefined;

  constructor(sources: BackgroundSources) {
    this.#sources = sources;
    this.#ownLog = this.#unshipped(sources.log);
    this.#unsubscribe = sources.errorLog.subscribe((line) => {
      if (!this.#isOwn && this.#lines.length < LINES_MAX) this.#lines.push(line);
    });
  }

  ship(): void {
    const lines = this.#lines;
    this.#lines = [];
    this.#follow(this.#sources.metadata());
    for (const { level, text } of lines) {
      const rank = LEVELS[level.toUpperCase()] ?? 0;
      if (rank <= this.#rank) this.#batch?.push(undefined, text, text.length);
    }
  }

  close(): void {
    this.#unsubscribe();
    this.ship();
    this.#batch?.release();
  }

  /** Another target, or none, when the metadata are others. */
  #follow(written: Readonly<Record<string, unknown>>): void {
    const json = JSON.stringify(written);
    if (json === this.#written) return;
    this.#written = json;
    this.#batch?.release();
    this.#batch = undefined;
    if (Object.keys(written).length === 0) {
      this.#ownLog.info(`please set the correct plugin_metadata for ${definition.name}`);
      return;
    }
    const metadata = written as unknown as ErrorLogMetadata;
    this.#rank = LEVELS[metadata.level] ?? 0;
    this.#batch = logBatches.acquire({
      plugin: definition.name,
      conf: { ...metadata, batch_max_size: Math.max(metadata.batch_max_size, 1) },
      env: {
        source: { kind: 'plugin_metadata', id: definition.name, modifiedIndex: 0 },
        metadata: {},
        metrics: this.#sources.metrics,
        log: this.#ownLog,
      },
      openSink: () => openErrorLogSink(metadata, this.#ownLog),
    });
  }

  /** What goes wrong with sending would be sent, and go wrong, and so on. */
  #unshipped(log: Logger): Logger {
    const quietly =
      (level: keyof Logger) =>
      (message: string): void => {
        this.#isOwn = true;
        log[level](message);
        this.#isOwn = false;
      };
    return {
      debug: quietly('debug'),
      info: quietly('info'),
      warn: quietly('warn'),
      error: quietly('error'),
    };
  }
}
