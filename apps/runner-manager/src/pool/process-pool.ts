import { isDeepStrictEqual } from 'node:util';
import { FailureReason, RpcError, RunnerState, type RunnerLogLine } from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { ManagerLog } from '../manager-options.ts';
import { watchFiles } from '../process/file-watch.ts';
import { canWatchMemory } from '../process/memory-watch.ts';
import { commandFiles } from '../process/program-file.ts';
import type { CommandConfig } from '../process/runner-run.ts';
import { newSocketPath } from '../process/runner-socket.ts';
import { bestState } from './best-state.ts';
import { Generation } from './generation.ts';
import { leastBusy } from './least-busy.ts';
import type { ManagedPool, PoolOptions } from './managed-pool.ts';
import { PoolInstance } from './pool-instance.ts';
import { PoolLog } from './pool-log.ts';
import { ReadyWaiters } from './ready-waiters.ts';
import { RestartList } from './restart-list.ts';
import type { RunnerInstance, RunnerPoolStatus } from './runner-pool.ts';

interface Replacement {
  config: CommandConfig;
  reason: string;
  readonly done: Promise<number>;
}

/** The processes of one command, and their replacement by the next generation. */
export class ProcessPool implements ManagedPool {
  readonly name: string;
  readonly requiresReplyId = true;
  readonly #options: PoolOptions<CommandConfig>;
  readonly #log: ManagerLog;
  readonly #lines: PoolLog;
  readonly #restarts: RestartList;
  readonly #waiters = new ReadyWaiters();
  readonly #readyListeners = new Set<() => void>();
  readonly #retired = new Map<Generation, Promise<void>>();
  #config: CommandConfig;
  #current: Generation;
  #next: Generation | undefined;
  #number = 1;
  /** What takes calls, kept because each call asks. */
  #ready: readonly PoolInstance[] = [];
  #turn = 0;
  #replaced: Promise<unknown> = Promise.resolve();
  #waiting: Replacement | undefined;
  #watch = new AbortController();
  #stopped = false;

  /** Starts at once. @throws {RangeError} when `runDir` is too long for a socket's path. */
  constructor(options: PoolOptions<CommandConfig>) {
    const { config, limits, log, runDir } = options;
    newSocketPath(runDir);
    this.name = config.name;
    this.#options = options;
    this.#config = config;
    this.#log = namedLog(log, config.name);
    this.#lines = new PoolLog(limits);
    this.#restarts = new RestartList(limits);
    if (config.memoryBytesMax !== undefined && !canWatchMemory) {
      this.#log.warn('this system does not tell what memory a runner uses: no limit for it');
    }
    this.#current = this.#makeGeneration(config);
    this.#current.start();
    this.#startWatch();
  }

  get config(): CommandConfig {
    return this.#config;
  }

  get plugins(): readonly string[] {
    return this.#config.plugins;
  }

  get callTimeoutMs(): number {
    return this.#config.callTimeoutMs ?? this.#options.limits.callTimeoutMs;
  }

  get inFlightMax(): number {
    return this.#config.inFlightMax ?? Infinity;
  }

  get ready(): boolean {
    return this.#ready.length > 0;
  }

  pick(tried?: ReadonlySet<RunnerInstance>): RunnerInstance | undefined {
    return this.#leastBusy(this.inFlightMax, tried);
  }

  whenReady(): Promise<RunnerInstance> {
    const instance = this.#leastBusy(Infinity);
    if (instance !== undefined) return Promise.resolve(instance);
    if (!this.#isHopeful()) return Promise.reject(this.#unavailable());
    return this.#waiters.add(this.#options.limits.startWaitMs, () => this.#unavailable());
  }

  watchReady(onReady: () => void): () => void {
    const listener = (): void => onReady();
    this.#readyListeners.add(listener);
    return () => void this.#readyListeners.delete(listener);
  }

  noteUnreachable(instance: RunnerInstance, why: string): void {
    if (!(instance instanceof PoolInstance)) return;
    for (const slot of this.#current.slots) slot.noteUnreachable(instance, why);
  }

  restart(reason: string): Promise<number> {
    return this.#replace(this.#waiting?.config ?? this.#config, reason);
  }

  /**
   * Takes over a new configuration; by a new generation where the processes are concerned.
   *
   * @throws {RpcError} FAILED_PRECONDITION when that did not get ready: the old one goes on.
   */
  async reconfigure(config: CommandConfig): Promise<void> {
    const now = this.#waiting?.config ?? this.#config;
    if (isDeepStrictEqual(processPart(config), processPart(now))) {
      if (this.#waiting !== undefined) this.#waiting.config = config;
      this.#adopt(config);
      return;
    }
    const sameCommand = isDeepStrictEqual(config.source, now.source);
    await this.#replace(config, sameCommand ? 'configuration changed' : 'command changed');
  }

  watchLog(onLine: (line: RunnerLogLine) => void): () => void {
    return this.#lines.watch(onLine);
  }

  lastLines(): readonly RunnerLogLine[] {
    return this.#lines.lines();
  }

  status(): RunnerPoolStatus {
    const generations = [this.#current, ...(this.#next ? [this.#next] : [])];
    const instances = [...generations, ...this.#retired.keys()]
      .flatMap(({ slots }) => slots.map((slot) => slot.status()))
      .filter(({ generation, state, pid }) => {
        const isGone = state === RunnerState.STOPPED && pid === 0;
        return generation === this.#current.number || !isGone;
      });
    const ofCurrent = this.#current.slots.map(({ state }) => state);
    return {
      name: this.name,
      state: this.#stopped ? RunnerState.STOPPED : bestState(ofCurrent),
      generation: this.#current.number,
      plugins: [...this.plugins],
      instances,
      recentRestarts: this.#restarts.list(),
    };
  }

  async retire(): Promise<void> {
    this.#end();
    const { drainMsMax } = this.#options.limits;
    await Promise.all([this.#current.retire(drainMsMax), this.#next?.stop() ?? Promise.resolve()]);
    await Promise.all([this.#replaced, ...this.#retired.values()]);
  }

  async stop(): Promise<void> {
    this.#end();
    const generations = [this.#current, ...this.#retired.keys()];
    if (this.#next !== undefined) generations.push(this.#next);
    await Promise.all(generations.map((generation) => generation.stop()));
    await Promise.all([this.#replaced, ...this.#retired.values()]);
  }

  #end(): void {
    this.#stopped = true;
    this.#ready = [];
    this.#watch.abort();
    this.#waiters.rejectAll(new CallError(FailureReason.UNAVAILABLE, 'the runner is stopped'));
  }

  #leastBusy(inFlightMax: number, tried?: ReadonlySet<RunnerInstance>): RunnerInstance | undefined {
    this.#turn = (this.#turn + 1) % 0x4000_0000;
    return leastBusy(this.#ready, { inFlightMax, tried, turn: this.#turn });
  }

  #makeGeneration(config: CommandConfig): Generation {
    const { runDir, limits, warmUp } = this.#options;
    return new Generation({
      number: this.#number,
      config,
      runDir,
      limits,
      warmUp,
      log: this.#log,
      writeLine: (index, text, isError) => this.#writeLine(index, text, isError),
      onChange: () => this.#update(),
      onFailure: ({ index, generation }, reason) =>
        this.#restarts.add({ index, generation, reason }),
    });
  }

  #writeLine(index: number, text: string, isError: boolean): void {
    const { traceId } = this.#lines.write(index, text, isError);
    this.#log.warn(text, traceId === '' ? undefined : { traceId });
  }

  /** After any change of state. */
  #update(): void {
    if (this.#stopped) return;
    const before = this.#ready;
    this.#ready = this.#current.readyInstances();
    if (this.#ready.length > 0) {
      // With the first of them: `whenReady` may pick any, and there are as many turns as waiters.
      this.#waiters.resolveAll(() => this.#leastBusy(Infinity) as RunnerInstance);
    } else if (!this.#isHopeful()) this.#waiters.rejectAll(this.#unavailable());
    if (this.#ready.every((instance) => before.includes(instance))) return;
    for (const onReady of this.#readyListeners) onReady();
  }

  #isHopeful(): boolean {
    if (this.#stopped) return false;
    return [this.#current, this.#next].some((generation) =>
      generation?.slots.some(({ isHopeful }) => isHopeful),
    );
  }

  #unavailable(): CallError {
    const slots = this.#current.slots;
    const why = slots.find(({ lastError }) => lastError !== '')?.lastError;
    const message = this.#stopped ? 'the runner is stopped' : (why ?? 'the runner is starting');
    return new CallError(FailureReason.UNAVAILABLE, message);
  }

  /** One replacement at a time; who asks while one waits for its turn shares it. */
  #replace(config: CommandConfig, reason: string): Promise<number> {
    if (this.#waiting !== undefined) {
      Object.assign(this.#waiting, { config, reason });
      return this.#waiting.done;
    }
    const done = this.#replaced.then(() => {
      this.#waiting = undefined;
      return this.#replaceNow(replacement.config, replacement.reason);
    });
    const replacement: Replacement = { config, reason, done };
    this.#waiting = replacement;
    this.#replaced = done.catch(() => undefined);
    return done;
  }

  async #replaceNow(config: CommandConfig, reason: string): Promise<number> {
    if (this.#stopped) throw new RpcError('FAILED_PRECONDITION', 'the runner is stopped');
    this.#number += 1;
    const next = this.#makeGeneration(config);
    this.#log.info(`generation ${next.number} of the runner starts: ${reason}`);
    next.start();
    // With another command there is nothing that could go on: this one has all tries.
    if (this.ready || config === this.#config) await this.#awaitReady(next, reason);
    this.#shift(next, config, reason);
    return next.number;
  }

  async #awaitReady(next: Generation, reason: string): Promise<void> {
    this.#next = next;
    try {
      await next.whenAllReady();
      if (this.#stopped) throw new Error('the runner is stopped');
    } catch (error) {
      await next.stop();
      this.#next = undefined;
      throw this.#notReplaced(next.number, reason, (error as Error).message);
    }
    this.#next = undefined;
  }

  #notReplaced(generation: number, reason: string, why: string): RpcError {
    const told = `${reason}; generation ${generation} did not get ready: ${why}`;
    this.#restarts.add({ index: 0, generation, reason: told });
    const goesOn = `generation ${this.#current.number} goes on`;
    this.#log.error(`the runner was not replaced, ${goesOn}: ${told}`);
    // Those who waited for it wait in vain.
    this.#update();
    return new RpcError('FAILED_PRECONDITION', `runner ${this.name}: ${told}`);
  }

  /** From here the next generation takes the calls. */
  #shift(next: Generation, config: CommandConfig, reason: string): void {
    const old = this.#current;
    this.#current = next;
    this.#adopt(config);
    this.#restarts.add({ index: 0, generation: next.number, reason });
    this.#log.info(`generation ${next.number} of the runner takes the calls`);
    this.#update();
    const retired = old.retire(this.#options.limits.drainMsMax).then(() => {
      this.#retired.delete(old);
    });
    this.#retired.set(old, retired);
  }

  #adopt(config: CommandConfig): void {
    const before = this.#config;
    this.#config = config;
    // The watch goes on over a restart: what changes in the middle of one must not be missed.
    if (!isDeepStrictEqual(watchPart(before), watchPart(config))) this.#startWatch();
  }

  #startWatch(): void {
    this.#watch.abort();
    if (!this.#config.watch || this.#stopped) return;
    this.#watch = new AbortController();
    const config = this.#config;
    void watchFiles({
      files: () => commandFiles(config.source.cmd, config),
      intervalMs: this.#options.limits.watchIntervalMs,
      signal: this.#watch.signal,
      onChange: () => {
        // Logged and kept by `#notReplaced`.
        this.restart('binary changed').catch(() => undefined);
      },
    });
  }
}

/** What needs new processes when it changes. */
function processPart(config: CommandConfig): object {
  const { source, instances, env, cwd, user, memoryBytesMax, filesMax } = config;
  return { cmd: source.cmd, instances, env, cwd, user, memoryBytesMax, filesMax };
}

function watchPart({ source, cwd, watch }: CommandConfig): object {
  return { cmd: source.cmd, cwd, watch };
}

/** Names the runner, but for that of `ext-plugin`, whose lines are as in APISIX. */
function namedLog(log: ManagerLog, runner: string): ManagerLog {
  if (runner === 'default') return log;
  return {
    debug: (message, fields) => log.debug(message, { runner, ...fields }),
    info: (message, fields) => log.info(message, { runner, ...fields }),
    warn: (message, fields) => log.warn(message, { runner, ...fields }),
    error: (message, fields) => log.error(message, { runner, ...fields }),
  };
}
