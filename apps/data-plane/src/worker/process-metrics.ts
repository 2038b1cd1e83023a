import { PendingAnswers } from './pending-answers.ts';

/** More would only wait for each other: the metrics are collected once for all who ask meanwhile. */
const WAITING_MAX = 64;
/** The main thread waits two seconds for a worker that is late, and then does without it. */
const ANSWER_TIMEOUT_MS = 5000;

/** What the main thread collected; without `text` it could not: its log says why. */
interface Collected {
  readonly text: string | undefined;
}

/** A worker's way to the metrics of the whole process, which the main thread collects. */
export class ProcessMetrics {
  readonly #send: (id: number) => void;
  readonly #answers = new PendingAnswers<Collected>(ANSWER_TIMEOUT_MS);

  constructor(send: (id: number) => void) {
    this.#send = send;
  }

  /** In Prometheus's text format. Rejects where they cannot be had, or not in time. */
  async ask(): Promise<string> {
    if (this.#answers.size >= WAITING_MAX) throw new Error('too many ask at once');
    const collected = await this.#answers.ask(this.#send);
    if (collected === undefined) throw new Error('the metrics were not collected in time');
    if (collected.text === undefined) throw new Error('the metrics could not be collected');
    return collected.text;
  }

  answer(id: number, text: string | undefined): void {
    this.#answers.answer(id, { text });
  }
}
