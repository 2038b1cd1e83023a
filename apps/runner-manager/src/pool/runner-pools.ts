import { isDeepStrictEqual } from 'node:util';
import type { RunnerConfig } from '@polygate/chassis';
import { HeldConfs } from '../connection/held-confs.ts';
import { makePool } from './make-pool.ts';
import type { ManagedPool, PoolOptions } from './managed-pool.ts';
import { ProcessPool } from './process-pool.ts';
import type { RunnerPool } from './runner-pool.ts';

export type PoolsOptions = Omit<PoolOptions, 'config' | 'warmUp'>;

/** Who sends calls to the pools. */
export interface PoolUser {
  add(served: { readonly pool: RunnerPool; readonly confs: HeldConfs }): void;
  /** No more calls for the pool of this name. */
  remove(name: string): void;
}

interface Entry {
  readonly pool: ManagedPool;
  /** Outlives the pool where another takes its name. */
  readonly confs: HeldConfs;
}

/** All pools by their names, and their change. */
export class RunnerPools {
  readonly #options: PoolsOptions;
  readonly #user: PoolUser;
  readonly #entries = new Map<string, Entry>();
  readonly #retiring = new Set<Promise<void>>();
  #reconfigured: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(options: PoolsOptions, user: PoolUser) {
    this.#options = options;
    this.#user = user;
  }

  /**
   * Makes the pools those of `runners`: new ones start, those that are gone end after their calls,
   * and changed ones are replaced by a new generation that is ready. One change at a time.
   *
   * @param beforeRemoval Awaited before the first of those that are gone ends.
   * @returns A sentence for each that could not be replaced and goes on as it was.
   * @throws {RangeError} when `runDir` is too long for a socket's path.
   */
  reconfigure(
    runners: readonly RunnerConfig[],
    beforeRemoval?: () => Promise<void>,
  ): Promise<string[]> {
    const done = this.#reconfigured.then(() => this.#reconfigureNow(runners, beforeRemoval));
    this.#reconfigured = done.catch(() => undefined);
    return done;
  }

  /** Starts the pools, without a wait. @throws {RangeError} as `reconfigure`. */
  start(runners: readonly RunnerConfig[]): void {
    for (const config of runners) this.#add(config);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const entries = [...this.#entries.values()];
    for (const { confs } of entries) confs.close();
    await Promise.all(entries.map(({ pool }) => pool.stop()));
    await Promise.all([this.#reconfigured, ...this.#retiring]);
  }

  async #reconfigureNow(
    runners: readonly RunnerConfig[],
    beforeRemoval?: () => Promise<void>,
  ): Promise<string[]> {
    if (this.#stopped) return [];
    const problems = await Promise.all(
      runners.map((config) =>
        this.#apply(config).then(
          () => undefined,
          (error: Error) => error.message,
        ),
      ),
    );
    await beforeRemoval?.();
    const names = new Set(runners.map(({ name }) => name));
    for (const name of [...this.#entries.keys()]) if (!names.has(name)) this.#remove(name);
    return problems.filter((problem) => problem !== undefined);
  }

  async #apply(config: RunnerConfig): Promise<void> {
    const entry = this.#entries.get(config.name);
    if (entry === undefined) return this.#add(config);
    const { pool } = entry;
    if (isDeepStrictEqual(pool.config, config)) return;
    const { source, ...rest } = config;
    if (pool instanceof ProcessPool && 'cmd' in source) {
      return pool.reconfigure({ ...rest, source });
    }
    await this.#exchange(entry, config);
  }

  #add(config: RunnerConfig): void {
    const { limits, log } = this.#options;
    const confs = new HeldConfs({ name: config.name, limits, log });
    const entry = { pool: this.#make(config, confs), confs };
    this.#entries.set(config.name, entry);
    this.#user.add(entry);
  }

  #remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#user.remove(name);
    entry.confs.close();
    this.#retire(entry.pool);
  }

  /** A process takes the place of an address, or the other way round. */
  async #exchange(old: Entry, config: RunnerConfig): Promise<void> {
    const pool = this.#make(config, old.confs);
    try {
      await pool.whenReady();
    } catch (error) {
      await pool.stop();
      throw error;
    }
    if (this.#stopped) return pool.stop();
    const entry = { pool, confs: old.confs };
    this.#entries.set(config.name, entry);
    this.#user.remove(config.name);
    this.#user.add(entry);
    this.#retire(old.pool);
  }

  #retire(pool: ManagedPool): void {
    const retiring = pool.retire().finally(() => this.#retiring.delete(retiring));
    this.#retiring.add(retiring);
  }

  #make(config: RunnerConfig, { warmUp }: HeldConfs): ManagedPool {
    return makePool({ ...this.#options, config, warmUp });
  }
}
