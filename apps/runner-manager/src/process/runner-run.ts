import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import type { RunnerCommand, RunnerConfig } from '@polygate/chassis';
import type { ManagerLog } from '../manager-options.ts';
import { startOrphanWatchdog, type OrphanWatchdog } from './orphan-watchdog.ts';
import { endGroup, signalGroup } from './process-group.ts';
import { programFile } from './program-file.ts';
import { runnerEnvironment } from './runner-environment.ts';
import type { RunnerOutput } from './runner-output.ts';
import { openWayTo } from './runner-socket.ts';
import { findRunnerUser, type RunnerUser } from './runner-user.ts';

/** A runner that we start. */
export type CommandConfig = RunnerConfig & { readonly source: RunnerCommand };

export interface LaunchOptions {
  readonly config: CommandConfig;
  readonly socketPath: string;
  /** Whose process it is; undefined: ours. */
  readonly user: RunnerUser | undefined;
  readonly output: RunnerOutput;
  readonly log: ManagerLog;
}

/** How a process ended. */
export interface RunEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The process could not be started. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
  /** The command or its settings are wrong: trying again cannot help. */
  readonly misconfigured: boolean;

  constructor(message: string, misconfigured: boolean, cause?: unknown) {
    super(message, { cause });
    this.misconfigured = misconfigured;
  }
}

const MISCONFIGURED_CODES = new Set([
  'ENOENT',
  'EACCES',
  'EPERM',
  'ENOTDIR',
  'EISDIR',
  'ENOEXEC',
  'ELOOP',
  'ENAMETOOLONG',
  'E2BIG',
  'ERR_INVALID_ARG_VALUE',
]);

/** Of the shell below when it may not set the limit. */
const LIMIT_REFUSED_STATUS = 126;
const FILES_LIMIT_SCRIPT = `ulimit -n "$1" || exit ${LIMIT_REFUSED_STATUS}; shift; exec "$@"`;

/**
 * Whom to start the runner as; undefined: as ourselves.
 *
 * @throws {LaunchError} when there is no such user.
 */
export function userOf({ user }: CommandConfig): RunnerUser | undefined {
  if (user === undefined) return undefined;
  try {
    const found = findRunnerUser(user);
    return found.uid === process.getuid?.() ? undefined : found;
  } catch (error) {
    throw new LaunchError((error as Error).message, true, error);
  }
}

/**
 * Starts the command in a process group of its own. A watchdog ends the group should we die first.
 *
 * @throws {LaunchError}
 */
export async function launchRunner(options: LaunchOptions): Promise<RunnerRun> {
  const { config, socketPath, user, output, log } = options;
  const { cmd } = config.source;
  const [program = '', ...args] = cmd;
  const environment = runnerEnvironment(config.env, socketPath);
  try {
    if (program === '') throw new LaunchError('the command is empty', true);
    const cwd = config.cwd ?? process.cwd();
    if (config.cwd !== undefined) statSync(config.cwd);
    programFile(program, { cwd, path: environment['PATH'] });
    if (user !== undefined) openWayTo(socketPath, user);
    rmSync(socketPath, { force: true });
    const watchdog = startOrphanWatchdog(socketPath, log);
    try {
      const child = spawn(...withFilesLimit([program, ...args], config.filesMax), {
        cwd,
        env: environment,
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
        ...user,
      });
      if (child.pid !== undefined) watchdog.guard(child.pid);
      return await started(child, { socketPath, output, log, watchdog });
    } catch (error) {
      watchdog.dismiss();
      throw error;
    }
  } catch (error) {
    throw launchError(error as NodeJS.ErrnoException, config);
  }
}

/** Why an end that looks like any other says that the settings are wrong. */
export function misconfiguredEnd({ filesMax }: CommandConfig, end: RunEnd): string | undefined {
  if (filesMax === undefined || end.status !== LIMIT_REFUSED_STATUS) return undefined;
  return `the program cannot be run, or not with the limit of ${filesMax} files`;
}

function withFilesLimit(
  cmd: readonly string[],
  filesMax: number | undefined,
): [program: string, args: string[]] {
  const [program = '', ...args] = cmd;
  if (filesMax === undefined) return [program, args];
  return ['/bin/sh', ['-c', FILES_LIMIT_SCRIPT, 'polygate-runner', `${filesMax}`, ...cmd]];
}

function launchError(error: NodeJS.ErrnoException, { source, user }: CommandConfig): LaunchError {
  if (error instanceof LaunchError) return error;
  const code = error.code ?? '';
  const as = code === 'EPERM' && user !== undefined ? ` as ${user}, only root may` : '';
  const message = `failed to start ${JSON.stringify(source.cmd)}${as}: ${error.message}`;
  // Without a code it is ours: a socket's folder that the runner's user cannot reach.
  return new LaunchError(message, code === '' || MISCONFIGURED_CODES.has(code), error);
}

interface RunParts {
  readonly socketPath: string;
  readonly output: RunnerOutput;
  readonly log: ManagerLog;
  readonly watchdog: OrphanWatchdog;
}

function started(child: ChildProcess, parts: RunParts): Promise<RunnerRun> {
  const { promise, resolve, reject } = Promise.withResolvers<RunnerRun>();
  child.on('error', (error) => {
    if (child.pid === undefined) return reject(error);
    parts.log.warn(`runner process: ${error.message}`);
  });
  if (child.pid !== undefined) resolve(new RunnerRun(child.pid, child, parts));
  return promise;
}

/** One run of a command, from the start of the process to the end of its group. */
export class RunnerRun {
  readonly pid: number;
  readonly startedMs = performance.now();
  /** Settles when the process is gone. */
  readonly exited: Promise<RunEnd>;
  /** Settles when all that it left behind is gone too. */
  readonly cleared: Promise<void>;
  readonly #parts: RunParts;
  #stopping: Promise<void> | undefined;

  constructor(pid: number, child: ChildProcess, parts: RunParts) {
    this.pid = pid;
    this.#parts = parts;
    if (child.stdout) parts.output.follow(child.stdout, false);
    if (child.stderr) parts.output.follow(child.stderr, true);
    const { promise, resolve } = Promise.withResolvers<RunEnd>();
    child.on('exit', (status, signal) => resolve({ status, signal }));
    this.exited = promise;
    this.cleared = promise.then(() => this.#clear());
  }

  /** SIGTERM to the group, SIGKILL after the grace time. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping ??= endGroup(this.pid, graceMs);
    await this.#stopping;
    await this.cleared;
  }

  /** What the runner started has the grace time of `stop`; after a crash it goes at once. */
  async #clear(): Promise<void> {
    if (this.#stopping === undefined) signalGroup(this.pid, 'SIGKILL');
    else await this.#stopping;
    this.#parts.watchdog.dismiss();
    rmSync(this.#parts.socketPath, { force: true });
  }
}
