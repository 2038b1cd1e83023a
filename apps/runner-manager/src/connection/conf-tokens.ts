import type { RunnerLimits } from '../manager-options.ts';

interface HeldToken {
  readonly confToken: number;
  readonly obtainedMs: number;
  readonly refreshAtMs: number;
}

type TokenLimits = Pick<RunnerLimits, 'confTokensMax' | 'confTokenTtlMs'>;

/** Of its time to live a token is obtained anew after this part, spread so that not all come at once. */
const REFRESH_AFTER = 0.75;
const REFRESH_SPREAD = 0.1;

/**
 * The conf tokens of one instance of a runner. They die with it; one alone is dropped when the
 * runner does not know it (APISIX drops those of all routes).
 */
export class ConfTokens {
  readonly #limits: TokenLimits;
  /** Least recently used first, once the map is half full: before that nothing has to give way. */
  readonly #tokens = new Map<string, HeldToken>();
  readonly #flights = new Map<string, Promise<number>>();

  constructor(limits: TokenLimits) {
    this.#limits = limits;
  }

  get(key: string): number | undefined {
    const held = this.#tokens.get(key);
    if (held === undefined) return undefined;
    const { confTokensMax, confTokenTtlMs } = this.#limits;
    if (performance.now() - held.obtainedMs >= confTokenTtlMs) {
      this.#tokens.delete(key);
      return undefined;
    }
    if (this.#tokens.size > confTokensMax / 2) {
      this.#tokens.delete(key);
      this.#tokens.set(key, held);
    }
    return held.confToken;
  }

  /** Whether there is a token, without the look counting as a use. */
  has(key: string): boolean {
    return this.#tokens.has(key);
  }

  /** There is no token, or it is time for a new one. */
  isDue(key: string, nowMs: number): boolean {
    return (this.#tokens.get(key)?.refreshAtMs ?? 0) <= nowMs;
  }

  /** Has `prepare` run once for all who ask for the key meanwhile. A failure is not remembered. */
  obtain(key: string, prepare: () => Promise<number>): Promise<number> {
    const running = this.#flights.get(key);
    if (running !== undefined) return running;
    const flight = prepare()
      .then((confToken) => {
        this.#hold(key, confToken);
        return confToken;
      })
      .finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  /** Drops this token. One obtained anew by another call in the meantime stays. */
  evict(key: string, confToken: number, ageMsMin = 0): void {
    const held = this.#tokens.get(key);
    if (held?.confToken !== confToken) return;
    if (performance.now() - held.obtainedMs >= ageMsMin) this.#tokens.delete(key);
  }

  clear(): void {
    this.#tokens.clear();
  }

  #hold(key: string, confToken: number): void {
    const { confTokensMax, confTokenTtlMs } = this.#limits;
    const obtainedMs = performance.now();
    const part = REFRESH_AFTER + Math.random() * REFRESH_SPREAD;
    const refreshAtMs = obtainedMs + confTokenTtlMs * part;
    this.#tokens.delete(key);
    this.#tokens.set(key, { confToken, obtainedMs, refreshAtMs });
    if (this.#tokens.size <= confTokensMax) return;
    const [oldest] = this.#tokens.keys();
    if (oldest !== undefined) this.#tokens.delete(oldest);
  }
}
