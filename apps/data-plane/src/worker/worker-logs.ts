import { createLogger, openLogDestination } from '@polygate/chassis';
import type { Logger } from '@polygate/chassis';
import { lineFiles } from '@polygate/plugin-sdk';
import { createAccessLog } from '../access-log/access-log.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import type { WorkerStart } from './messages.ts';

/** What one worker writes for people to read. */
export interface WorkerLogs {
  readonly log: Logger;
  readonly accessLog: AccessLog | undefined;
  /** Files of plugins included. */
  reopen(): void;
  close(): Promise<void>;
}

export function openWorkerLogs({ config, workerId }: WorkerStart): WorkerLogs {
  const stream = openLogDestination(config.errorLogFile);
  const log = createLogger({
    stream,
    level: config.errorLogLevel,
    format: config.polygate.logFormat,
    service: `data-plane#${workerId}`,
  });
  const accessLog = createAccessLog(config.accessLog, log);
  return {
    log,
    accessLog,
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
