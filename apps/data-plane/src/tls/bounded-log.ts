import type { Logger } from '@polygate/plugin-sdk';

const LINES_MAX = 10;
const WINDOW_MS = 1000;

/**
 * Says what clients can cause as often as they like at most ten times a second; how much was left out
 * is said with the next line.
 */
export class BoundedLog {
  readonly #log: Logger;
  #windowEndMs = 0;
  #lines = 0;
  #omitted = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  say(level: 'info' | 'error', text: string): void {
    const nowMs = Date.now();
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + WINDOW_MS;
      this.#lines = 0;
    }
    if (this.#lines >= LINES_MAX) {
      this.#omitted += 1;
      return;
    }
    this.#lines += 1;
    const more = this.#omitted === 0 ? '' : ` (and ${this.#omitted} more of the kind before)`;
    this.#omitted = 0;
    this.#log[level](`${text}${more}`);
  }
}
