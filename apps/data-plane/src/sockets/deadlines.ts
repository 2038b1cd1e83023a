const TICK_MS = 100;

/** Something that must end by a time. */
export interface Expiring {
  /** Milliseconds since the epoch; Infinity: no limit now. */
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
  /** The clock of the last look; up to a tick old. */
  nowMs: number = Date.now();

  get size(): number {
    return this.#members.size;
  }

  add(member: Expiring): void {
    this.#members.add(member);
    if (this.#timer !== undefined) return;
    this.nowMs = Date.now();
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
    this.nowMs = Date.now();
    for (const member of this.#members) {
      if (member.deadlineMs > this.nowMs) continue;
      member.deadlineMs = Infinity;
      member.onDeadline();
    }
  }
}
