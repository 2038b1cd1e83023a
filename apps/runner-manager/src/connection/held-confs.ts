import { FailureReason, type ConfReference, type PluginConf } from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { ManagerLog, RunnerLimits } from '../manager-options.ts';
import type { RunnerInstance, WarmUp } from '../pool/runner-pool.ts';
import { ConfTrials } from './conf-trials.ts';

export interface HeldConfsOptions {
  /** Of the pool. */
  readonly name: string;
  readonly limits: Pick<RunnerLimits, 'callTimeoutMs' | 'confTokenTtlMs'>;
  readonly log: ManagerLog;
}

interface HeldConf {
  readonly key: string;
  readonly plugins: readonly PluginConf[];
  readonly sizeBytes: number;
  /** Streams that hold it. */
  holders: number;
  /** The runner said no: until then only calls ask again. */
  retryAtMs: number;
}

interface Preparation {
  readonly instance: RunnerInstance;
  readonly conf: HeldConf;
  /** Get it when this one has answered. */
  readonly others: readonly RunnerInstance[];
}

const CONFS_MAX = 10_000;
const CONFS_BYTES_MAX = 64 * 1024 * 1024;
const PREPARATIONS_MAX = 8;
/** Nobody waits yet: a runner that is slow with one conf must not hold up the others for long. */
const PREPARE_MS_MAX = 5000;
/** After so many that took too long a new instance gets the rest at their first call. */
const WARM_UP_TIMEOUTS_MAX = 8;
const REJECTED_RETRY_MS = 60_000;
const LOOKS_PER_TTL = 50;

/**
 * The confs that data planes have in their configuration, for one pool. Each gets its token ahead of
 * the first call, on one instance and then the others, and a new one before it expires. One that an
 * instance was lost over is left to its own calls.
 */
export class HeldConfs {
  readonly #options: HeldConfsOptions;
  readonly #confs = new Map<string, HeldConf>();
  readonly #instances = new Set<RunnerInstance>();
  readonly #queue: Preparation[] = [];
  readonly #trials = new ConfTrials();
  readonly #refresher: NodeJS.Timeout;
  #bytes = 0;
  #running = 0;
  /** Whose turn it is to be the first with a conf. */
  #turn = 0;
  #fullLogged = false;

  constructor(options: HeldConfsOptions) {
    this.#options = options;
    const lookEveryMs = options.limits.confTokenTtlMs / LOOKS_PER_TTL;
    this.#refresher = setInterval(() => this.#refresh(), lookEveryMs).unref();
  }

  get size(): number {
    return this.#confs.size;
  }

  /** Tokens that instances have for the confs held. */
  countTokens(): number {
    let count = 0;
    for (const { tokens } of this.#liveInstances()) {
      for (const key of this.#confs.keys()) if (tokens.has(key)) count += 1;
    }
    return count;
  }

  /** One more stream has it. Returns false when there is no room: its calls prepare it themselves. */
  hold({ key, plugins }: ConfReference): boolean {
    const known = this.#confs.get(key);
    if (known !== undefined) {
      known.holders += 1;
      return true;
    }
    const sizeBytes = sizeOf(key, plugins);
    if (this.#confs.size >= CONFS_MAX || this.#bytes + sizeBytes > CONFS_BYTES_MAX) {
      this.#warnFull();
      return false;
    }
    const conf: HeldConf = { key, plugins, sizeBytes, holders: 1, retryAtMs: 0 };
    this.#confs.set(key, conf);
    this.#bytes += sizeBytes;
    const live = [...this.#liveInstances()];
    this.#turn = (this.#turn + 1) % Math.max(live.length, 1);
    const [instance, ...others] = [...live.slice(this.#turn), ...live.slice(0, this.#turn)];
    if (instance !== undefined) this.#enqueue({ instance, conf, others });
    return true;
  }

  /**
   * A stream that held it has it no longer. Its token stays until it expires: calls may be under way.
   */
  release(key: string): void {
    const conf = this.#confs.get(key);
    if (conf === undefined) return;
    conf.holders -= 1;
    if (conf.holders > 0) return;
    this.#confs.delete(key);
    this.#bytes -= conf.sizeBytes;
    this.#trials.forget(key);
  }

  /**
   * The instance's token for a conf, held or not.
   *
   * @throws {CallError} through the promise, as `ConfTrials.prepare`.
   */
  obtainToken(instance: RunnerInstance, conf: ConfReference, timeoutMs: number): Promise<number> {
    return instance.tokens.obtain(conf.key, () =>
      this.#trials.prepare({ instance, conf, timeoutMs }),
    );
  }

  /**
   * Hands all confs to a new instance. Those that the runner rejects, or is slow with, are left out:
   * their calls ask again, and fail with its words. Rejects when the instance cannot be reached or
   * `signal` is aborted.
   */
  readonly warmUp: WarmUp = async (instance, signal) => {
    this.#instances.add(instance);
    const confs = [...this.#confs.values()];
    let next = 0;
    let timeouts = 0;
    const work = async (): Promise<void> => {
      while (next < confs.length && timeouts < WARM_UP_TIMEOUTS_MAX) {
        const conf = confs[next] as HeldConf;
        next += 1;
        if (signal.aborted || instance.ended) throw new Error('the runner ended, or took too long');
        if (conf.holders === 0 || this.#trials.isSuspect(conf.key)) continue;
        const error = await this.#prepare(instance, conf);
        if (error?.reason === FailureReason.UNAVAILABLE) throw error;
        if (error?.reason === FailureReason.TIMEOUT) timeouts += 1;
      }
    };
    const broken = Promise.withResolvers<never>();
    const onAbort = (): void => broken.reject(new Error('the runner ended, or took too long'));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const workers = Array.from({ length: PREPARATIONS_MAX }, work);
      await Promise.race([Promise.all(workers), broken.promise]);
    } catch (error) {
      this.#instances.delete(instance);
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  };

  close(): void {
    clearInterval(this.#refresher);
    this.#queue.length = 0;
    this.#instances.clear();
  }

  *#liveInstances(): Iterable<RunnerInstance> {
    for (const instance of this.#instances) {
      if (instance.ended) this.#instances.delete(instance);
      else yield instance;
    }
  }

  #refresh(): void {
    if (this.#queue.length > 0) return;
    const nowMs = performance.now();
    for (const instance of this.#liveInstances()) {
      for (const conf of this.#confs.values()) {
        if (this.#trials.isSuspect(conf.key)) continue;
        const isDue = conf.retryAtMs <= nowMs && instance.tokens.isDue(conf.key, nowMs);
        if (isDue) this.#enqueue({ instance, conf, others: [] });
      }
    }
  }

  #enqueue(preparation: Preparation): void {
    this.#queue.push(preparation);
    if (this.#running < PREPARATIONS_MAX) void this.#work();
  }

  async #work(): Promise<void> {
    this.#running += 1;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { instance, conf, others } = next;
      if (conf.holders === 0) continue;
      if (!instance.ended) await this.#prepare(instance, conf);
      if (this.#trials.isSuspect(conf.key)) continue;
      for (const other of others) this.#enqueue({ instance: other, conf, others: [] });
    }
    this.#running -= 1;
  }

  /** Never rejects. */
  async #prepare(instance: RunnerInstance, conf: HeldConf): Promise<CallError | undefined> {
    const { limits, log, name } = this.#options;
    const { key, plugins } = conf;
    const timeoutMs = Math.min(limits.callTimeoutMs, PREPARE_MS_MAX);
    try {
      await this.obtainToken(instance, { key, plugins: [...plugins] }, timeoutMs);
      conf.retryAtMs = 0;
      return undefined;
    } catch (error) {
      const callError = CallError.from(error);
      if (callError.reason !== FailureReason.UNAVAILABLE) {
        conf.retryAtMs = performance.now() + REJECTED_RETRY_MS;
        log.warn(`runner ${name} did not take the conf ${key}: ${callError.message}`);
      }
      return callError;
    }
  }

  #warnFull(): void {
    if (this.#fullLogged) return;
    this.#fullLogged = true;
    const { log, name } = this.#options;
    log.warn(`runner ${name}: too many confs; from here on they are prepared at their first call`);
  }
}

function sizeOf(key: string, plugins: readonly PluginConf[]): number {
  let size = key.length;
  for (const { name, value } of plugins) size += name.length + value.length;
  // The engine keeps texts with one or two bytes a character.
  return size * 2;
}
