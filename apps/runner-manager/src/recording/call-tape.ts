import type { RecordedFrame } from '@polygate/rpc';
import { encodeFrame, type Frame } from '@polygate/runner-protocol';

/** Room for frames that several tapes share. */
export interface TapeBudget {
  /** False: there is no room for that many bytes. */
  take(bytes: number): boolean;
  giveBack(bytes: number): void;
}

/** Beside its bytes, what a frame takes in memory, about. */
const FRAME_COST_BYTES = 64;

/** The frames of one call while it runs. A tape that runs full is empty from then on. */
export class CallTape {
  readonly startedAtMs = Date.now();
  readonly #startedMs = performance.now();
  readonly #budget: TapeBudget;
  readonly #bytesMax: number;
  #frames: RecordedFrame[] = [];
  #bytes = 0;
  #isFull = false;

  constructor(budget: TapeBudget, bytesMax: number) {
    this.#budget = budget;
    this.#bytesMax = bytesMax;
  }

  get frames(): readonly RecordedFrame[] {
    return this.#frames;
  }

  /** Frames are missing: the call was too large. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** @param frame Not written to afterwards by anybody. */
  sent(frame: Buffer): void {
    this.#note(true, frame.length, () => frame);
  }

  received({ type, payload }: Frame): void {
    this.#note(false, payload.length, () => encodeFrame(type, payload));
  }

  /** The call begins again, elsewhere: what came so far belongs to no answer. */
  restart(): void {
    this.clear();
  }

  /** Gives its room back. */
  clear(): void {
    this.#frames = [];
    this.#budget.giveBack(this.#bytes);
    this.#bytes = 0;
  }

  #note(isSent: boolean, frameBytes: number, copy: () => Buffer): void {
    if (this.#isFull) return;
    const bytes = frameBytes + FRAME_COST_BYTES;
    if (this.#bytes + bytes > this.#bytesMax || !this.#budget.take(bytes)) {
      this.#isFull = true;
      return this.clear();
    }
    this.#bytes += bytes;
    const afterUs = Math.round((performance.now() - this.#startedMs) * 1000);
    this.#frames.push({ isSent, afterUs, frame: copy() });
  }
}
