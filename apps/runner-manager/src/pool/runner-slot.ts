import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunnerState, type RunnerInstance as InstanceStatus } from '@polygate/rpc';
import type { ManagerLog, RunnerLimits } from '../manager-options.ts';
import { watchMemory } from '../process/memory-watch.ts';
import { RespawnDelay } from '../process/respawn-delay.ts';
import { RunnerOutput } from '../process/runner-output.ts';
import {
  LaunchError,
  launchRunner,
  misconfiguredEnd,
  userOf,
  type CommandConfig,
  type RunEnd,
  type RunnerRun,
} from '../process/runner-run.ts';
import { newSocketPath } from '../process/runner-socket.ts';
import { PoolInstance } from './pool-instance.ts';
import type { WarmUp } from './runner-pool.ts';

export interface SlotOptions {
  readonly index: number;
  readonly generation: number;
  readonly config: CommandConfig;
  readonly runDir: string;
  readonly limits: RunnerLimits;
  readonly log: ManagerLog;
  readonly warmUp: WarmUp;
  readonly writeLine: (index: number, text: string, isError: boolean) => void;
  /** The state, or what takes calls, is another now. */
  readonly onChange: (slot: RunnerSlot) => void;
  /** It ended, or could not be started, and nobody had asked for that. */
  readonly onFailure: (slot: RunnerSlot, reason: string) => void;
}

const PROBE_MS_MIN = 10;
const PROBE_MS_MAX = 250;
const { MISCONFIGURED, BACKING_OFF, CRASH_LOOP, DRAINING } = RunnerState;
const { READY, STARTING, STOPPED } = RunnerState;

/**
 * Keeps one process of a generation running: starts it, gives it to the pool when it is ready, and
 * starts another when it ends (APISIX: `ext-plugin/init.lua`, `setup_runner`).
 */
export class RunnerSlot {
  readonly index: number;
  readonly generation: number;
  /** Settles when the first process is ready, or with what kept it from that. */
  readonly firstReady: Promise<void>;
  /** Why it does not take calls; empty: it does. What was before is among the restarts. */
  lastError = '';
  readonly #options: SlotOptions;
  readonly #delay: RespawnDelay;
  readonly #output: RunnerOutput;
  readonly #first = Promise.withResolvers<void>();
  readonly #quit = new AbortController();
  #state: RunnerState = STARTING;
  #run: RunnerRun | undefined;
  #instance: PoolInstance | undefined;
  #readySinceMs = 0;
  #runs = 0;
  #shortRuns = 0;
  #lastRunWasReady = false;
  #life: Promise<void> = Promise.resolve();
  /** Why we end the process ourselves. */
  #endedBecause: string | undefined;

  constructor(options: SlotOptions) {
    const { index, generation, limits, writeLine } = options;
    this.#options = options;
    this.index = index;
    this.generation = generation;
    this.#delay = new RespawnDelay(limits);
    this.#output = new RunnerOutput({
      lineBytesMax: limits.logLineBytesMax,
      linesPerSecondMax: limits.logLinesPerSecondMax,
      write: (line, isError) => writeLine(index, line, isError),
    });
    this.firstReady = this.#first.promise;
    this.firstReady.catch(() => undefined);
  }

  get state(): RunnerState {
    return this.#state;
  }

  /** What takes calls now. */
  get readyInstance(): PoolInstance | undefined {
    return this.#state === READY ? this.#instance : undefined;
  }

  /** Calls of the process that runs, whether it takes more or not. */
  get callsInFlight(): number {
    return this.#instance?.callsInFlight ?? 0;
  }

  /** Worth waiting for: it is starting, or starts again soon after a run that was well. */
  get isHopeful(): boolean {
    return this.#state === STARTING || (this.#state === BACKING_OFF && this.#lastRunWasReady);
  }

  start(): void {
    this.#life = this.#live();
  }

  /** Takes no new calls from now on, and is not started again. */
  retire(): void {
    if (this.#state === STOPPED) return;
    const running = this.#state === READY;
    this.#setState(running ? DRAINING : STOPPED);
    this.#quit.abort();
    if (!running) void this.#endRun();
  }

  /** SIGTERM to the process group, SIGKILL after the grace time. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#setState(STOPPED);
    this.#quit.abort();
    this.#first.reject(new Error('the runner was stopped'));
    const { pid } = this.#run ?? {};
    if (pid !== undefined) this.#options.log.info(`terminate runner ${pid} with SIGTERM`);
    await this.#endRun();
    await this.#life;
  }

  /** Nobody listens on its socket: it gets no calls until somebody does. */
  noteUnreachable(instance: PoolInstance, why: string): void {
    const run = this.#run;
    if (this.readyInstance !== instance || instance.ended || run === undefined) return;
    this.lastError = why;
    this.#setState(STARTING);
    const { config, limits } = this.#options;
    const waitMs = Math.min(config.startTimeoutMs, limits.startWaitMs);
    void this.#becomeReady(run, instance, waitMs);
  }

  status(): InstanceStatus {
    return {
      index: this.index,
      generation: this.generation,
      state: this.#state,
      pid: this.#run?.pid ?? 0,
      restarts: Math.max(0, this.#runs - 1),
      lastError: this.lastError,
      callsInFlight: this.callsInFlight,
      readySinceMs: this.#state === READY ? this.#readySinceMs : 0,
      calls: this.#instance?.calls ?? 0,
    };
  }

  get #over(): boolean {
    return this.#quit.signal.aborted;
  }

  async #live(): Promise<void> {
    const { limits, log, config } = this.#options;
    while (!this.#over) {
      const goesOn = await this.#liveOnce();
      if (this.#over || !goesOn) break;
      const looping = this.#shortRuns >= limits.crashLoopRuns;
      const delayMs = looping ? limits.respawnDelayMsMax : this.#delay.nextMs();
      const seconds = Math.round(delayMs / 100) / 10;
      const cmd = JSON.stringify(config.source.cmd);
      log.warn(`respawn runner ${seconds} seconds later with cmd: ${cmd}`);
      this.#setState(looping ? CRASH_LOOP : BACKING_OFF);
      const { signal } = this.#quit;
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      if (!this.#over) log.warn('respawning new runner...');
    }
  }

  /** From the start of a process to its end. Resolves to false when there must be no other. */
  async #liveOnce(): Promise<boolean> {
    const { config, runDir, limits, log } = this.#options;
    this.#runs += 1;
    this.#lastRunWasReady = false;
    this.#endedBecause = undefined;
    this.#setState(STARTING);
    try {
      const user = userOf(config);
      const socketPath = newSocketPath(runDir, user?.uid);
      const run = await launchRunner({ config, socketPath, user, output: this.#output, log });
      const instance = new PoolInstance({ ...this, socketPath }, limits);
      this.#run = run;
      this.#instance = instance;
      if (this.#over) void this.#endRun();
      const atExit = new AbortController();
      void this.#guardMemory(run, atExit.signal);
      void this.#becomeReady(run, instance, config.startTimeoutMs);
      const end = await run.exited;
      atExit.abort();
      // Before its calls hear of it: they look for another instance at once.
      this.#noteEnd(end);
      instance.end();
      return await this.#runEnded(run, end);
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error;
      return this.#launchFailed(error);
    }
  }

  #noteEnd({ signal, status }: RunEnd): void {
    const { log } = this.#options;
    const kind = signal === null ? 'exit' : 'signal';
    const number = signal === null ? status : constants.signals[signal];
    const message = `runner exited with reason: ${kind}, status: ${number}`;
    if (this.#over) return log.info(message);
    log.warn(message);
    this.lastError = this.#endedBecause ?? message;
    this.#setState(BACKING_OFF);
  }

  async #runEnded(run: RunnerRun, end: RunEnd): Promise<boolean> {
    const { config, limits } = this.#options;
    if (this.#over) {
      await run.cleared;
      this.#forgetRun();
      return false;
    }
    if (performance.now() - run.startedMs >= limits.stableRunMs) {
      this.#delay.reset();
      this.#shortRuns = 0;
    }
    this.#shortRuns += 1;
    await run.cleared;
    this.#forgetRun();
    const misconfigured = misconfiguredEnd(config, end);
    if (misconfigured !== undefined) return this.#misconfigured(misconfigured);
    const reason = end.signal === null ? `exit code ${end.status}` : `signal ${end.signal}`;
    this.#fail(this.#endedBecause ?? reason);
    return true;
  }

  #forgetRun(): void {
    this.#run = undefined;
    if (this.#over) this.#setState(STOPPED);
  }

  #launchFailed(error: LaunchError): boolean {
    if (error.misconfigured) return this.#misconfigured(error.message);
    this.lastError = error.message;
    this.#shortRuns += 1;
    if (!this.#over) this.#options.log.error(error.message);
    this.#fail(error.message);
    return true;
  }

  #misconfigured(why: string): false {
    this.lastError = `configuration error: ${why}`;
    if (!this.#over) {
      this.#setState(MISCONFIGURED);
      this.#options.log.error(`${this.lastError}; the runner is not tried again`);
      this.#fail(this.lastError);
    }
    return false;
  }

  #fail(reason: string): void {
    this.#first.reject(new Error(this.lastError));
    if (!this.#over) this.#options.onFailure(this, reason);
  }

  /** Gives the instance to the pool once the runner listens and has what it needs. */
  async #becomeReady(run: RunnerRun, instance: PoolInstance, waitMs: number): Promise<void> {
    const { config, warmUp } = this.#options;
    const late = AbortSignal.timeout(waitMs);
    const ended = new AbortController();
    void run.exited.then(() => ended.abort());
    const signal = AbortSignal.any([late, ended.signal, this.#quit.signal]);
    try {
      if (!(await this.#probe(instance, signal))) throw new Error(this.lastError);
      await warmUp(instance, signal);
      if (signal.aborted || this.#state !== STARTING) return;
      this.#readySinceMs = Date.now();
      this.#lastRunWasReady = true;
      this.lastError = '';
      this.#setState(READY);
      this.#first.resolve();
    } catch (error) {
      if (instance.ended || this.#over) return;
      const why = (error as Error).message;
      const within = late.aborted ? ` within ${waitMs} ms` : '';
      this.#endedBecause = `not ready${within}: ${why}`;
      this.lastError = this.#endedBecause;
      await run.stop(config.stopTimeoutMs);
    }
  }

  /** Resolves to false when there is nothing to wait for any more. */
  async #probe({ connections, socketPath }: PoolInstance, signal: AbortSignal): Promise<boolean> {
    for (
      let waitMs = PROBE_MS_MIN;
      !signal.aborted;
      waitMs = Math.min(waitMs * 1.5, PROBE_MS_MAX)
    ) {
      try {
        await connections.probe();
        return !signal.aborted;
      } catch (error) {
        const why = (error as Error).message;
        this.lastError = `failed to connect to the unix socket unix:${socketPath}: ${why}`;
        await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      }
    }
    return false;
  }

  async #guardMemory(run: RunnerRun, signal: AbortSignal): Promise<void> {
    const { config, limits, log } = this.#options;
    const { memoryBytesMax } = config;
    if (memoryBytesMax === undefined) return;
    await watchMemory({
      pid: run.pid,
      memoryBytesMax,
      intervalMs: limits.watchIntervalMs,
      signal,
      onExceeded: (usedBytes) => {
        this.#endedBecause = `uses ${usedBytes} bytes of memory, ${memoryBytesMax} are allowed`;
        log.warn(`runner ${run.pid} ${this.#endedBecause}`);
        void run.stop(0);
      },
    });
  }

  async #endRun(): Promise<void> {
    await this.#run?.stop(this.#options.config.stopTimeoutMs);
  }

  #setState(state: RunnerState): void {
    if (this.#state === state || this.#state === STOPPED) return;
    this.#state = state;
    this.#options.onChange(this);
  }
}
