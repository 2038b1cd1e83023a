import type { RunnerLimits } from '../manager-options.ts';

interface HeldToken {
  readonly confToken: number;
  readonly obtainedMs: number;
}

type TokenLimits = Pick<RunnerLimits, 'confTokensMax' | 'confTokenTtlMs'>;

/**
 * The conf tokens of one generation of the runner. They die with it; one alone is dropped when the
 * runner does not know it (APISIX drops those of all routes).
 */
export class ConfTokens {
  readonly #limits: TokenLimits;
  /** Least recently used first. */
  readonly #tokens = new Map<string, HeldToken>();
  readonly #flights = new Map<string, Promise<number>>();

  constructor(limits: TokenLimits) {
    this.#limits = limits;
  }

  get(key: string): number | undefined {
    const held = this.#tokens.get(key);
    if (held === undefined) return undefined;
    this.#tokens.delete(key);
    if (performance.now() - held.obtainedMs >= this.#limits.confTokenTtlMs) return undefined;
    this.#tokens.set(key, held);
    return held.confToken;
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
    this.#tokens.delete(key);
    this.#tokens.set(key, { confToken, obtainedMs: performance.now() });
    if (this.#tokens.size <= this.#limits.confTokensMax) return;
    const [oldest] = this.#tokens.keys();
    if (oldest !== undefined) this.#tokens.delete(oldest);
  }
}
