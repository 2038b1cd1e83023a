import type { CallError } from '../call-error.ts';

/** What a stage is given to end itself. */
export interface StageEnd<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: CallError) => void;
}

/** A timer above this would fire at once. */
const TIMER_MS_MAX = 0x7fff_ffff;

/**
 * The time a call has. It runs through stages, one at a time; `end` breaks the one that runs, at
 * the deadline or when nobody wants the answer any more.
 */
export class CallLife {
  readonly #timer: NodeJS.Timeout;
  #interrupt: ((error: CallError) => void) | undefined;
  #error: CallError | undefined;

  constructor(timeoutMs: number, timeoutError: () => CallError) {
    const delayMs = Math.min(timeoutMs, TIMER_MS_MAX);
    this.#timer = setTimeout(() => this.end(timeoutError()), delayMs);
  }

  /** No deadline any more: the call has its result. */
  finish(): void {
    clearTimeout(this.#timer);
  }

  end(error: CallError): void {
    if (this.#error !== undefined) return;
    clearTimeout(this.#timer);
    this.#error = error;
    this.#interrupt?.(error);
  }

  /** @param begin Starts the stage and returns how to break it off. */
  stage<T>(begin: (end: StageEnd<T>) => () => void): Promise<T> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise<T>((resolve, reject) => {
      let over = false;
      const finish = (): boolean => {
        if (over) return false;
        over = true;
        this.#interrupt = undefined;
        return true;
      };
      const breakOff = begin({
        resolve: (value) => void (finish() && resolve(value)),
        reject: (error) => void (finish() && reject(error)),
      });
      if (over) return;
      this.#interrupt = (error) => {
        if (!finish()) return;
        breakOff();
        reject(error);
      };
    });
  }

  /** A stage that goes on by itself when broken off; `discard` takes what still comes of it. */
  wait<T>(promise: Promise<T>, discard: (value: T) => void = () => undefined): Promise<T> {
    if (this.#error !== undefined) {
      promise.then(discard, () => undefined);
      return Promise.reject(this.#error);
    }
    let broken = false;
    return this.stage<T>(({ resolve, reject }) => {
      promise.then((value) => (broken ? discard(value) : resolve(value)), reject);
      return () => {
        broken = true;
      };
    });
  }
}
