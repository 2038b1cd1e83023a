import { closeSync, openSync } from 'node:fs';
import type { GatewayConfig } from './config/gateway-config.ts';
import { loadConfig } from './config/load-config.ts';
import { logFindings } from './log-findings.ts';
import type { Logger } from './logger.ts';

/** Who reads the configuration file anew. */
export interface ReloadOptions {
  readonly configFile: string;
  readonly log: Logger;
  /** Resolves to what was done, for the log. A rejection is told, and nothing else. */
  readonly take: (config: GatewayConfig) => Promise<string> | string;
}

/**
 * As nginx: SIGHUP has the configuration file read again, one time after the other. A file that is
 * wrong is told, and all goes on as it was. The terminal that the process was started in sends the
 * same signal when it is closed: that ends it.
 */
export function reloadOnHangUp({ configFile, log, take }: ReloadOptions): void {
  const hadTerminal = process.stdin.isTTY;
  let turn = Promise.resolve();
  const reload = async (): Promise<void> => {
    try {
      const config = loadConfig(configFile);
      logFindings(config, log);
      log.info(`configuration taken over: ${await take(config)}`);
    } catch (error) {
      log.error(`configuration not taken over: ${(error as Error).message}`);
    }
  };
  process.on('SIGHUP', () => {
    if (hadTerminal && !hasTerminal()) process.kill(process.pid, 'SIGTERM');
    else turn = turn.then(reload);
  });
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
