import { LineFile } from '@polygate/plugin-sdk';
import type { Logger, Variables } from '@polygate/plugin-sdk';
import type { AccessLogConfig } from '@polygate/chassis';
import { compileLogFormat } from './log-format.ts';

/** nginx has 3 s in APISIX's configuration; a second makes following the file less of a wait. */
const FLUSH_MS = 1000;

/** The access log of one worker. */
export interface AccessLog {
  /** Once per request, when its answer is complete. Never throws. */
  write(vars: Variables): void;
  /** After a rotation (SIGUSR1): what is waiting goes to the old file, the rest to a new one. */
  reopen(): void;
  /** Begins to write what is waiting. */
  flush(): void;
  /** Writes what is waiting and lets go of the file. Resolves within two seconds. */
  close(): Promise<void>;
}

/**
 * A log as nginx's `access_log file buffer=… flush=1s`; undefined where it is switched off. Every worker
 * has its own, all append to one file. A file that cannot be written costs lines and an error in the
 * error log, never a request. Throws an Error for a format that is wrong.
 */
export function createAccessLog(config: AccessLogConfig, log: Logger): AccessLog | undefined {
  if (!config.enabled) return undefined;
  const formatLine = compileLogFormat(config.format, config.escape);
  const file = new LineFile({
    path: config.file,
    bufferBytes: config.bufferBytes,
    flushMs: FLUSH_MS,
    promptWritesMax: 0,
    makesFolder: true,
    onProblem: (message) => log.error(`access log: ${message}`),
  });
  return {
    write: (vars) => file.write(formatLine(vars)),
    reopen: () => file.reopen(),
    flush: () => file.flush(),
    close: () => file.close(),
  };
}
