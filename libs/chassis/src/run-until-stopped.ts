import type { Logger } from './logger.ts';

export interface RunOptions {
  /** Ends the process's work: listeners first, then what is under way. Called once. */
  readonly stop: (reason: string) => Promise<void> | void;
  /** How long `stop` may take. */
  readonly graceMs: number;
  readonly log: Logger;
}

/**
 * Ctrl-C reaches a whole process group, and a parent may pass the signal on: what comes this soon
 * after the first signal is the same wish.
 */
const SAME_WISH_MS = 500;

const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGQUIT: 131 } as const;

/**
 * Takes over the end of the process. SIGTERM, SIGINT or SIGQUIT call `stop` and end with code 0,
 * with 1 when `stop` fails or takes longer than `graceMs`; a second signal ends at once. An error
 * nobody caught is logged and ends with code 1: the state it left behind is unknown, so nothing
 * is served on it. Returns a function that asks for the same end as a signal; with
 * `process.exitCode` set before, that is the code. For the main thread.
 */
export function runUntilStopped({ stop, graceMs, log }: RunOptions): (reason: string) => void {
  let stoppingSinceMs: number | undefined;

  async function end(reason: string): Promise<never> {
    stoppingSinceMs = performance.now();
    log.info(`stopping: ${reason}`);
    const timer = setTimeout(() => {
      log.error(`not stopped after ${graceMs} ms, ending at once`);
      process.exit(1);
    }, graceMs);
    try {
      await stop(reason);
    } catch (error) {
      log.error('stopping failed', { error });
      process.exit(1);
    }
    clearTimeout(timer);
    log.info('stopped');
    process.exit(process.exitCode ?? 0);
  }

  const requestStop = (reason: string) => {
    if (stoppingSinceMs === undefined) void end(reason);
  };
  for (const [signal, code] of Object.entries(SIGNAL_EXIT_CODES)) {
    process.on(signal, () => {
      if (stoppingSinceMs === undefined) return requestStop(signal);
      if (performance.now() - stoppingSinceMs < SAME_WISH_MS) return;
      log.warn(`${signal} again, ending at once`);
      process.exit(code);
    });
  }
  const die = (kind: string) => (error: unknown) => {
    log.error(kind, { error });
    process.exit(1);
  };
  process.on('uncaughtException', die('uncaught exception'));
  process.on('unhandledRejection', die('unhandled rejection'));
  return requestStop;
}
