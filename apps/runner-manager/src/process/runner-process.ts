import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FailureReason, RunnerState } from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { ManagerLog, RunnerLimits } from '../manager-options.ts';
import { startOrphanWatchdog, type OrphanWatchdog } from './orphan-watchdog.ts';
import { RespawnDelay } from './respawn-delay.ts';
import { runnerEnvironment } from './runner-environment.ts';
import { RunnerGeneration } from './runner-generation.ts';
import { RunnerOutput } from './runner-output.ts';
import type { Runner, RunnerStatus } from './runner.ts';

export interface RunnerProcessOptions {
  readonly name: string;
  readonly cmd: readonly string[];
  readonly envs: readonly string[];
  readonly runDir: string;
  readonly limits: RunnerLimits;
  readonly log: ManagerLog;
}

/** One run of the command. */
interface Run {
  readonly generation: RunnerGeneration;
  readonly child: ChildProcess;
  readonly watchdog: OrphanWatchdog;
  readonly startedMs: number;
  readonly exited: Promise<void>;
}

/** `sun_path` ends at 104 bytes on some systems; runners may append to it. */
const SOCKET_PATH_BYTES_MAX = 99;
const PROBE_MS_MIN = 10;
const PROBE_MS_MAX = 250;
const GROUP_POLL_MS = 20;

/** The command itself is wrong: running it again cannot help. */
const MISCONFIGURED_CODES = new Set([
  'ENOENT',
  'EACCES',
  'EPERM',
  'ENOTDIR',
  'EISDIR',
  'ENOEXEC',
  'ELOOP',
  'ENAMETOOLONG',
  'ERR_INVALID_ARG_VALUE',
]);

/**
 * Runs `ext-plugin.cmd` and starts it again when it ends (APISIX: `ext-plugin/init.lua`,
 * `setup_runner`). Each run has a process group and a socket path of its own, so that an old run
 * can never take away the socket of the next.
 */
export class RunnerProcess implements Runner {
  readonly requiresReplyId = true;
  readonly #options: RunnerProcessOptions;
  readonly #delay: RespawnDelay;
  readonly #output: RunnerOutput;
  #state: RunnerState = RunnerState.STARTING;
  #run: Run | undefined;
  #starting: Promise<RunnerGeneration>;
  #respawnTimer: NodeJS.Timeout | undefined;
  #runs = 0;
  #lastError = '';

  /** Starts at once. @throws {RangeError} when `runDir` is too long for a socket's path. */
  constructor(options: RunnerProcessOptions) {
    this.#options = options;
    const { limits, log } = options;
    this.#delay = new RespawnDelay(limits);
    this.#output = new RunnerOutput({
      lineBytesMax: limits.logLineBytesMax,
      linesPerSecondMax: limits.logLinesPerSecondMax,
      write: (line) => log.warn(line),
    });
    this.#starting = rejected('the runner is starting');
    this.#start();
  }

  get current(): RunnerGeneration | undefined {
    return this.#state === RunnerState.READY ? this.#run?.generation : undefined;
  }

  whenReady(): Promise<RunnerGeneration> {
    if (this.#state === RunnerState.STARTING) return this.#starting;
    return Promise.reject(this.#unavailable());
  }

  noteUnreachable(_generation: RunnerGeneration, why: string): void {
    this.#lastError = why;
  }

  status(): RunnerStatus {
    return {
      name: this.#options.name,
      state: this.#state,
      pid: this.#run?.child.pid ?? 0,
      restarts: Math.max(0, this.#runs - 1),
      lastError: this.#lastError,
    };
  }

  /** SIGTERM to the process group, SIGKILL after the grace time. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#state = RunnerState.STOPPED;
    clearTimeout(this.#respawnTimer);
    const run = this.#run;
    if (run?.child.pid === undefined) return;
    const { log, limits } = this.#options;
    log.info(`terminate runner ${run.child.pid} with SIGTERM`);
    await endGroup(run.child.pid, limits.stopGraceMs);
    await run.exited;
  }

  #start(): void {
    const { cmd, envs, limits, log, runDir } = this.#options;
    const socketPath = newSocketPath(runDir);
    const [program, ...args] = cmd;
    if (program === undefined || program === '')
      return this.#misconfigured('ext-plugin.cmd is empty');
    this.#runs += 1;
    this.#state = RunnerState.STARTING;
    rmSync(socketPath, { force: true });
    const watchdog = startOrphanWatchdog(socketPath, log);
    let child: ChildProcess;
    try {
      child = spawn(program, args, {
        env: runnerEnvironment(envs, socketPath),
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      });
    } catch (error) {
      watchdog.dismiss();
      return this.#spawnFailed(error as NodeJS.ErrnoException);
    }
    if (child.pid !== undefined) watchdog.guard(child.pid);
    const generation = new RunnerGeneration(socketPath, limits);
    const { promise: exited, resolve: markExited } = Promise.withResolvers<void>();
    const run: Run = { generation, child, watchdog, startedMs: performance.now(), exited };
    this.#run = run;
    child.on('error', (error) => {
      if (child.pid !== undefined) return log.warn(`runner process: ${error.message}`);
      this.#cleanUp(run);
      this.#spawnFailed(error);
      markExited();
    });
    child.on('exit', (status, signal) => {
      this.#cleanUp(run);
      this.#exited(run, status, signal);
      markExited();
    });
    if (child.pid === undefined) return;
    for (const stream of [child.stdout, child.stderr]) if (stream) this.#output.follow(stream);
    this.#starting = this.#awaitReady(run);
    this.#starting.catch(() => undefined);
  }

  /** Settles when the runner listens, or rejects after `startWaitMs`; goes on trying either way. */
  #awaitReady(run: Run): Promise<RunnerGeneration> {
    const { promise, resolve, reject } = Promise.withResolvers<RunnerGeneration>();
    const timer = setTimeout(() => reject(this.#unavailable()), this.#options.limits.startWaitMs);
    void this.#probe(run).then((ready) => {
      clearTimeout(timer);
      if (!ready) return reject(this.#unavailable());
      this.#state = RunnerState.READY;
      resolve(run.generation);
    });
    return promise;
  }

  /** Resolves to false when the run ended before it listened. */
  async #probe({ generation }: Run): Promise<boolean> {
    const mayGoOn = (): boolean => !generation.ended && this.#state === RunnerState.STARTING;
    for (let waitMs = PROBE_MS_MIN; mayGoOn(); waitMs = Math.min(waitMs * 1.5, PROBE_MS_MAX)) {
      try {
        await generation.connections.probe();
        return mayGoOn();
      } catch (error) {
        this.#lastError = connectFailure(generation, (error as Error).message);
        await sleep(waitMs);
      }
    }
    return false;
  }

  #cleanUp({ child, generation, watchdog }: Run): void {
    // Whatever the runner started and left behind holds its connections, and would be an orphan.
    // After `stop` it has the grace time, as the runner had.
    const stopping = this.#state === RunnerState.STOPPED;
    if (child.pid !== undefined && !stopping) signalGroup(child.pid, 'SIGKILL');
    watchdog.dismiss();
    generation.end();
    rmSync(generation.socketPath, { force: true });
    this.#run = undefined;
  }

  #exited(run: Run, status: number | null, signal: NodeJS.Signals | null): void {
    const number = signal === null ? status : constants.signals[signal];
    const reason = signal === null ? 'exit' : 'signal';
    const message = `runner exited with reason: ${reason}, status: ${number}`;
    if (this.#state === RunnerState.STOPPED) return this.#options.log.info(message);
    this.#options.log.warn(message);
    this.#lastError = message;
    const { stableRunMs } = this.#options.limits;
    if (performance.now() - run.startedMs >= stableRunMs) this.#delay.reset();
    this.#respawnLater();
  }

  #spawnFailed(error: NodeJS.ErrnoException): void {
    const { cmd, log } = this.#options;
    const message = `failed to start ${JSON.stringify(cmd)}: ${error.message}`;
    if (MISCONFIGURED_CODES.has(error.code ?? '')) return this.#misconfigured(message);
    this.#lastError = message;
    if (this.#state === RunnerState.STOPPED) return;
    log.error(message);
    this.#respawnLater();
  }

  #misconfigured(why: string): void {
    this.#lastError = `configuration error: ${why}`;
    if (this.#state === RunnerState.STOPPED) return;
    this.#state = RunnerState.MISCONFIGURED;
    this.#options.log.error(`${this.#lastError}; the runner is not tried again`);
  }

  #respawnLater(): void {
    const { cmd, log } = this.#options;
    const delayMs = this.#delay.nextMs();
    const seconds = Math.round(delayMs / 100) / 10;
    this.#state = RunnerState.BACKING_OFF;
    log.warn(`respawn runner ${seconds} seconds later with cmd: ${JSON.stringify(cmd)}`);
    this.#respawnTimer = setTimeout(() => {
      log.warn('respawning new runner...');
      this.#start();
    }, delayMs);
  }

  #unavailable(): CallError {
    const why = this.#lastError === '' ? 'the runner is starting' : this.#lastError;
    return new CallError(FailureReason.UNAVAILABLE, why);
  }
}

/** Unique for ever: a runner that removes its socket late can only remove its own. */
function newSocketPath(runDir: string): string {
  const path = join(runDir, `runner-${randomBytes(6).toString('hex')}.sock`);
  const pathBytes = Buffer.byteLength(path);
  if (pathBytes <= SOCKET_PATH_BYTES_MAX) return path;
  throw new RangeError(
    `the runner's socket path has ${pathBytes} bytes, use a shorter runDir: ${path}`,
  );
}

/** SIGTERM, then SIGKILL to what is left after the grace time. */
async function endGroup(processGroup: number, graceMs: number): Promise<void> {
  const deadlineMs = performance.now() + graceMs;
  let alive = signalGroup(processGroup, 'SIGTERM');
  while (alive && performance.now() < deadlineMs) {
    await sleep(GROUP_POLL_MS);
    alive = signalGroup(processGroup, 0);
  }
  if (alive) signalGroup(processGroup, 'SIGKILL');
}

/** False when no process of the group is left. */
function signalGroup(processGroup: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-processGroup, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}

function connectFailure({ socketPath }: RunnerGeneration, why: string): string {
  return `failed to connect to the unix socket unix:${socketPath}: ${why}`;
}

function rejected(why: string): Promise<never> {
  const promise = Promise.reject(new CallError(FailureReason.UNAVAILABLE, why));
  promise.catch(() => undefined);
  return promise;
}
