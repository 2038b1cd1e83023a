import { createLogger, openLogDestination } from '@polygate/chassis';
import type { Logger } from '@polygate/chassis';
import { lineFiles } from '@polygate/plugin-sdk';
import type { ErrorLog, ErrorLogLine } from '@polygate/plugin-sdk';
import { createAccessLog } from '../access-log/access-log.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import type { WorkerStart } from './messages.ts';

/** What one worker writes for people to read. */
export interface WorkerLogs {
  readonly log: Logger;
  readonly accessLog: AccessLog | undefined;
  /** What `log` writes. */
  readonly errorLog: ErrorLog;
  /** Files of plugins included. */
  reopen(): void;
  close(): Promise<void>;
}

export function openWorkerLogs({ config, workerId }: WorkerStart): WorkerLogs {
  const stream = openLogDestination(config.errorLogFile);
  const tap = new LineTap();
  const log = createLogger({
    stream: {
      write(line) {
        tap.tell(line);
        return stream.write(line);
      },
    },
    level: config.errorLogLevel,
    format: config.polygate.logFormat,
    service: `data-plane#${workerId}`,
  });
  const accessLog = createAccessLog(config.accessLog, log);
  return {
    log,
    accessLog,
    errorLog: tap,
    reopen() {
      stream.reopen();
      accessLog?.reopen();
      lineFiles.reopen();
    },
    async close() {
      await Promise.all([accessLog?.close(), lineFiles.close()]);
    },
  };
}

/** `[warn]` behind the time, or the field of a line of JSON, which is its first. */
const LEVEL = /^(?:\S+ \S+ \[|\{"level":")(\w+)/;

class LineTap implements ErrorLog {
  readonly #listeners = new Set<(line: ErrorLogLine) => void>();

  subscribe(listener: (line: ErrorLogLine) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(written: string): void {
    if (this.#listeners.size === 0) return;
    const text = written.trimEnd();
    const level = LEVEL.exec(text)?.[1] ?? '';
    for (const listener of this.#listeners) listener({ level, text });
  }
}
