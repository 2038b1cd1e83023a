/** Questions to another thread that wait for their answers, each for a limited time. */
export class PendingAnswers<T> {
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, (answer: T | undefined) => void>();
  #lastId = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Calls `send` at once, with the id that the answer will carry. Undefined: none came in time. */
  ask(send: (id: number) => void): Promise<T | undefined> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, undefined), this.#timeoutMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      send(id);
    });
  }

  /** One that comes too late, or twice, is dropped. */
  answer(id: number, answer: T): void {
    this.#settle(id, answer);
  }

  #settle(id: number, answer: T | undefined): void {
    const settle = this.#waiting.get(id);
    this.#waiting.delete(id);
    settle?.(answer);
  }
}
