import type { KnownAnswer } from './known-answers.ts';

/**
 * Brings answers into the order of the questions: the runner takes the next answer for that to its
 * oldest question, whoever knew it first.
 */
export class AnswerOrder {
  readonly #answer: (result: Uint8Array | undefined) => void;
  /** From the oldest question on; undefined: the data plane has not answered yet. */
  readonly #open: (KnownAnswer | undefined)[] = [];
  #awaited = 0;

  constructor(answer: (result: Uint8Array | undefined) => void) {
    this.#answer = answer;
  }

  /** Questions that the data plane has not answered. */
  get awaited(): number {
    return this.#awaited;
  }

  /** A question that can be answered here. */
  known(answer: KnownAnswer): void {
    if (this.#open.length === 0) return this.#answer(answer.result);
    this.#open.push(answer);
  }

  /** A question that went to the data plane. */
  asked(): void {
    this.#awaited += 1;
    this.#open.push(undefined);
  }

  /** The data plane's answer to the oldest question it has. One that nobody asked for is dropped. */
  answered(result: Uint8Array | undefined): void {
    if (this.#awaited === 0) return;
    this.#awaited -= 1;
    this.#open[this.#open.indexOf(undefined)] = { result };
    while (this.#open[0] !== undefined) this.#answer(this.#open.shift()?.result);
  }
}
