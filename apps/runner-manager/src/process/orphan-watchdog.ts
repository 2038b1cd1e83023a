import { spawn } from 'node:child_process';
import type { ManagerLog } from '../manager-options.ts';

/*
 * Reads the runner's process group, then waits. A line means that the runner ended while we were
 * there to see it; the end of the pipe means that we died, by whatever signal, and the runner with
 * its socket must go. A shell takes a fortieth of the memory of another Node.
 */
const SCRIPT = `
read -r group || exit 0
read -r done && exit 0
if kill -s TERM -- "-$group" 2>/dev/null; then
  sleep 1
  kill -s KILL -- "-$group" 2>/dev/null
fi
rm -f -- "$1"
`;

export interface OrphanWatchdog {
  /** From now on the group dies with us. */
  guard(processGroup: number): void;
  /** The group is gone: the watchdog ends. */
  dismiss(): void;
}

/**
 * Starts a process that outlives us only to end the runner: SIGKILL gives us no chance to do it,
 * and not every runner notices that its parent is gone.
 */
export function startOrphanWatchdog(socketPath: string, log: ManagerLog): OrphanWatchdog {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'polygate-runner-watchdog', socketPath], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Its own session: a signal to our group must not reach it before it has done its work.
    detached: true,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
  });
  shell.on('error', (error) => {
    log.warn(`no watchdog for the runner, it may outlive a killed manager: ${error.message}`);
  });
  // Writing to a watchdog that is gone: it was reported above, or killed by hand.
  shell.stdin.on('error', (error) => log.debug(`runner watchdog: ${error.message}`));
  shell.unref();
  return {
    guard: (processGroup) => void shell.stdin.write(`${processGroup}\n`),
    dismiss: () => void shell.stdin.end('done\n'),
  };
}
