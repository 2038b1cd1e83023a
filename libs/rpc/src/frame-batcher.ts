/** Above this many bytes a message is closed; a single larger frame travels alone. */
const BATCH_BYTES_MAX = 1024 * 1024;
/** From here on a frame waits for its turn among the large ones. */
const LARGE_BYTES_MIN = 256 * 1024;

export interface FrameBatcherOptions<Frame> {
  /** Puts the frames into one message. Returns false when the stream wants to be waited for. */
  readonly write: (frames: Frame[]) => boolean;
  readonly batchBytesMax?: number;
  readonly large?: LargeFrames<Frame>;
}

/**
 * Keeps large frames from holding up the small ones: there is never more than one of them in the
 * stream, and whatever is small goes before the next.
 */
export interface LargeFrames<Frame> {
  /** Frames of the same number stay in the order in which they were sent. */
  readonly orderOf: (frame: Frame) => number;
  /** As `write`, with one frame; `onWritten` is called when the stream has passed it on. */
  readonly write: (frame: Frame, onWritten: () => void) => boolean;
  /** Default 256 KiB. */
  readonly bytesMin?: number;
}

interface LargeFrame<Frame> {
  readonly frame: Frame;
  readonly sizeBytes: number;
}

/**
 * Collects frames and writes them once per turn of the event loop: a message per frame costs five
 * times as much. After a `write` that returned false it waits for `drained`.
 */
export class FrameBatcher<Frame> {
  readonly #write: (frames: Frame[]) => boolean;
  readonly #batchBytesMax: number;
  readonly #large: LargeFrames<Frame> | undefined;
  readonly #largeBytesMin: number;
  readonly #flush = (): void => this.#flushNow();
  #frames: Frame[] = [];
  #sizesBytes: number[] = [];
  readonly #largeFrames: LargeFrame<Frame>[] = [];
  /** Frames in `#largeFrames` by their order number. */
  readonly #queuedByOrder = new Map<number, number>();
  #largeUnderWay = false;
  #backlogBytes = 0;
  #scheduled = false;
  #blocked = false;
  #closed = false;

  constructor({ write, batchBytesMax = BATCH_BYTES_MAX, large }: FrameBatcherOptions<Frame>) {
    this.#write = write;
    this.#batchBytesMax = batchBytesMax;
    this.#large = large;
    this.#largeBytesMin = large?.bytesMin ?? LARGE_BYTES_MIN;
  }

  /** Bytes collected and not yet written. The caller bounds them: it knows whom to refuse. */
  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  /** @param sizeBytes About what the frame takes when encoded. */
  send(frame: Frame, sizeBytes: number): void {
    if (this.#closed) return;
    this.#backlogBytes += sizeBytes;
    if (this.#large !== undefined && this.#isLarge(this.#large, frame, sizeBytes)) {
      this.#largeFrames.push({ frame, sizeBytes });
    } else {
      this.#frames.push(frame);
      this.#sizesBytes.push(sizeBytes);
    }
    this.#schedule();
  }

  /** The stream takes more. */
  drained(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#flushNow();
  }

  /** The stream is gone: drops what is collected and all that comes. */
  close(): void {
    this.#closed = true;
    this.#frames = [];
    this.#sizesBytes = [];
    this.#largeFrames.length = 0;
    this.#queuedByOrder.clear();
    this.#backlogBytes = 0;
  }

  /** Also a small one, as long as an earlier one of the same number waits among the large. */
  #isLarge({ orderOf }: LargeFrames<Frame>, frame: Frame, sizeBytes: number): boolean {
    if (sizeBytes < this.#largeBytesMin && this.#queuedByOrder.size === 0) return false;
    const order = orderOf(frame);
    const queued = this.#queuedByOrder.get(order) ?? 0;
    if (sizeBytes < this.#largeBytesMin && queued === 0) return false;
    this.#queuedByOrder.set(order, queued + 1);
    return true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  #flushNow(): void {
    this.#scheduled = false;
    while (this.#frames.length > 0 && !this.#blocked) {
      this.#blocked = !this.#write(this.#takeBatch());
    }
    if (!this.#blocked && !this.#largeUnderWay) this.#writeLarge();
  }

  #writeLarge(): void {
    const next = this.#largeFrames.shift();
    if (next === undefined || this.#large === undefined) return;
    const { orderOf, write } = this.#large;
    const order = orderOf(next.frame);
    const queued = this.#queuedByOrder.get(order) ?? 1;
    if (queued === 1) this.#queuedByOrder.delete(order);
    else this.#queuedByOrder.set(order, queued - 1);
    this.#backlogBytes -= next.sizeBytes;
    this.#largeUnderWay = true;
    const onWritten = (): void => {
      this.#largeUnderWay = false;
      if (this.#largeFrames.length > 0) this.#schedule();
    };
    this.#blocked = !write(next.frame, onWritten);
  }

  #takeBatch(): Frame[] {
    let count = 0;
    let bytes = 0;
    while (count < this.#frames.length) {
      const sizeBytes = this.#sizesBytes[count] ?? 0;
      if (count > 0 && bytes + sizeBytes > this.#batchBytesMax) break;
      bytes += sizeBytes;
      count += 1;
    }
    this.#backlogBytes -= bytes;
    const batch = this.#frames;
    if (count === batch.length) {
      this.#frames = [];
      this.#sizesBytes = [];
      return batch;
    }
    this.#sizesBytes.splice(0, count);
    return batch.splice(0, count);
  }
}
