/** More would only wait for each other: the metrics are collected once for all who ask meanwhile. */
const WAITING_MAX = 64;

/** A worker's way to the metrics of the whole process, which the main thread collects. */
export class ProcessMetrics {
  readonly #send: (id: number) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<string>>();
  #lastId = 0;

  constructor(send: (id: number) => void) {
    this.#send = send;
  }

  ask(): Promise<string> {
    if (this.#waiting.size >= WAITING_MAX) return Promise.reject(new Error('too many ask at once'));
    const waiting = Promise.withResolvers<string>();
    this.#lastId += 1;
    this.#waiting.set(this.#lastId, waiting);
    this.#send(this.#lastId);
    return waiting.promise;
  }

  /** `text` is undefined where the metrics could not be collected: the main thread's log says why. */
  answer(id: number, text: string | undefined): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (text === undefined) waiting?.reject(new Error('the metrics could not be collected'));
    else waiting?.resolve(text);
  }
}
