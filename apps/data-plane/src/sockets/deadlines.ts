const TICK_MS = 100;
/**
 * More than that does not count between two looks: while the event loop stood still, nobody could see
 * what the others had sent in time.
 */
const STEP_MS_MAX = 2 * TICK_MS;

/** Something that must end by a time. */
export interface Expiring {
  /** On the clock of its `Deadlines`, in milliseconds; Infinity: no limit now. */
  deadlineMs: number;
  /** Past the deadline, which is Infinity again by then. */
  onDeadline(): void;
}

/**
 * Deadlines of many connections, looked at ten times a second: setting one is writing a number. A timer
 * of Node's each would cost more than parsing the request.
 */
export class Deadlines {
  readonly #members = new Set<Expiring>();
  #timer: NodeJS.Timeout | undefined;
  #lastLookMs = 0;
  /**
   * A clock of its own, at the last look, so up to a tick old. It runs while there are members, and
   * knows nothing of the wall clock, which may be set.
   */
  nowMs = 0;

  get size(): number {
    return this.#members.size;
  }

  add(member: Expiring): void {
    this.#members.add(member);
    if (this.#timer !== undefined) return;
    this.#lastLookMs = performance.now();
    this.#timer = setInterval(() => this.#look(), TICK_MS);
    this.#timer.unref();
  }

  delete(member: Expiring): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const lookMs = performance.now();
    this.nowMs += Math.min(lookMs - this.#lastLookMs, STEP_MS_MAX);
    this.#lastLookMs = lookMs;
    // By a clock that is a tick old, nobody is to be early.
    const expiredMs = this.nowMs - TICK_MS;
    for (const member of this.#members) {
      if (member.deadlineMs > expiredMs) continue;
      member.deadlineMs = Infinity;
      member.onDeadline();
    }
  }
}
