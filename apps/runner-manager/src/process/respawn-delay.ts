const JITTER = 0.2;

export interface RespawnDelayOptions {
  readonly respawnDelayMsMin: number;
  readonly respawnDelayMsMax: number;
}

/** The wait before a runner is started again: doubles from run to run, spread by a fifth. */
export class RespawnDelay {
  readonly #options: RespawnDelayOptions;
  #nextMs: number;

  constructor(options: RespawnDelayOptions) {
    this.#options = options;
    this.#nextMs = options.respawnDelayMsMin;
  }

  nextMs(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, this.#options.respawnDelayMsMax);
    const spread = 1 + (Math.random() * 2 - 1) * JITTER;
    return Math.min(delayMs * spread, this.#options.respawnDelayMsMax);
  }

  reset(): void {
    this.#nextMs = this.#options.respawnDelayMsMin;
  }
}
