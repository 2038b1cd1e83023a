/** Time that moves only when a test says so. Milliseconds. */
export class FakeClock {
  #nowMs: number;

  constructor(nowMs = 0) {
    this.#nowMs = nowMs;
  }

  readonly now = (): number => this.#nowMs;

  advance(byMs: number): void {
    if (byMs < 0) throw new RangeError('time goes forward');
    this.#nowMs += byMs;
  }
}
