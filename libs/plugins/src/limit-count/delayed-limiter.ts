import type { Logger, SharedState } from '@polygate/plugin-sdk';
import type { Admission, CommittingLimiter, Limiter, Window } from './limiter.ts';

export interface DelayedLimiterOptions {
  /** Who counts for all gateways. */
  readonly remote: CommittingLimiter;
  /** Who counts while the other cannot be asked. */
  readonly fallback: Limiter;
  readonly shared: SharedState;
  /** What keys in the shared state begin with. */
  readonly keyPrefix: string;
  readonly intervalMs: number;
  readonly log: Logger;
}

/** What this thread let in and has not told the remote yet. */
interface Unsent {
  count: number;
  window: Window;
}

/** Keys that one conf can have waiting; a request of a further one asks the remote itself. */
const KEYS_MAX = 10_000;

/**
 * Lets requests in by what the remote said was left, and tells it of them every so often. What is left, and
 * what was taken of it since, is shared by all threads; each tells the remote of its own.
 * So gateways together may let in more than the limit, by what they take between two talks.
 * Source: apisix/plugins/limit-count/delayed-syncer.lua.
 */
export class DelayedLimiter implements Limiter {
  readonly #options: DelayedLimiterOptions;
  readonly #unsent = new Map<string, Unsent>();
  readonly #talks = new Map<string, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DelayedLimiterOptions) {
    this.#options = options;
  }

  count(key: string, cost: number, window: Window): Admission | Promise<Admission> {
    const { remote, intervalMs } = this.#options;
    // talking less often than the window is long would be no limit
    if (window.seconds * 1000 <= intervalMs) return remote.count(key, cost, window);
    const unsent = this.#unsentOf(key, window);
    if (unsent === undefined) return remote.count(key, cost, window);
    const taken = this.#take(key, cost, unsent);
    if (taken !== undefined) return taken;
    // undefined again: the window ended in between
    return this.#talk(key, unsent).then(
      () => this.#take(key, cost, unsent) ?? remote.count(key, cost, window),
    );
  }

  /** Tells the remote of everything; for the end of the conf. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#talkAll();
    clearTimeout(this.#timer);
  }

  #unsentOf(key: string, window: Window): Unsent | undefined {
    let unsent = this.#unsent.get(key);
    if (unsent === undefined) {
      if (this.#unsent.size >= KEYS_MAX) return undefined;
      unsent = { count: 0, window };
      this.#unsent.set(key, unsent);
    }
    unsent.window = window;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#talkAll();
    }, this.#options.intervalMs).unref();
    return unsent;
  }

  #take(key: string, cost: number, unsent: Unsent): Admission | undefined {
    const quota = this.#options.shared.takeFromQuota(this.#quotaKey(key), cost);
    if (quota === undefined) return undefined;
    const isAdmitted = quota.remaining >= 0;
    if (isAdmitted) unsent.count += cost;
    return { isAdmitted, remaining: quota.remaining, resetSeconds: quota.resetMs / 1000 };
  }

  #quotaKey(key: string): string {
    return `${this.#options.keyPrefix}quota:${key}`;
  }

  async #talkAll(): Promise<void> {
    const unsent = [...this.#unsent];
    // those that are asked for again come back
    this.#unsent.clear();
    await Promise.all(unsent.map(([key, entry]) => this.#talk(key, entry)));
  }

  /** One talk at a time about a key. Never rejects. */
  #talk(key: string, unsent: Unsent): Promise<void> {
    const running = this.#talks.get(key);
    if (running !== undefined) {
      // what was taken since it began is told afterwards
      return unsent.count === 0 ? running : running.then(() => this.#talk(key, unsent));
    }
    const talk = this.#tell(key, unsent).finally(() => this.#talks.delete(key));
    this.#talks.set(key, talk);
    return talk;
  }

  async #tell(key: string, unsent: Unsent): Promise<void> {
    const { shared } = this.#options;
    const told = unsent.count;
    unsent.count = 0;
    const { remaining, resetSeconds } = await this.#askRemote(key, told, unsent.window);
    shared.grantQuota(this.#quotaKey(key), Math.max(0, remaining), resetSeconds * 1000, told);
  }

  async #askRemote(key: string, told: number, window: Window): Promise<Admission> {
    const { remote, fallback, log } = this.#options;
    try {
      return await remote.commit(key, told, window);
    } catch (error) {
      log.error(`sync to redis failed: ${(error as Error).message}, key: ${key}`);
      log.warn('try use fallback limiter to do rate limiting');
      return fallback.count(key, told, window);
    }
  }
}
