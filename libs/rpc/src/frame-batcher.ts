/** Above this many bytes a message is closed; a single larger frame travels alone. */
const BATCH_BYTES_MAX = 1024 * 1024;

export interface FrameBatcherOptions<Frame> {
  /** Puts the frames into one message. Returns false when the stream wants to be waited for. */
  readonly write: (frames: Frame[]) => boolean;
  readonly batchBytesMax?: number;
}

/**
 * Collects frames and writes them once per turn of the event loop: a message per frame costs five
 * times as much. After a `write` that returned false it waits for `drained`.
 */
export class FrameBatcher<Frame> {
  readonly #write: (frames: Frame[]) => boolean;
  readonly #batchBytesMax: number;
  readonly #flush = (): void => this.#flushNow();
  #frames: Frame[] = [];
  #sizesBytes: number[] = [];
  #backlogBytes = 0;
  #scheduled = false;
  #blocked = false;
  #closed = false;

  constructor({ write, batchBytesMax = BATCH_BYTES_MAX }: FrameBatcherOptions<Frame>) {
    this.#write = write;
    this.#batchBytesMax = batchBytesMax;
  }

  /** Bytes collected and not yet written. The caller bounds them: it knows whom to refuse. */
  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  /** @param sizeBytes About what the frame takes when encoded. */
  send(frame: Frame, sizeBytes: number): void {
    if (this.#closed) return;
    this.#frames.push(frame);
    this.#sizesBytes.push(sizeBytes);
    this.#backlogBytes += sizeBytes;
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
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
    this.#backlogBytes = 0;
  }

  #flushNow(): void {
    this.#scheduled = false;
    while (this.#frames.length > 0 && !this.#blocked) {
      this.#blocked = !this.#write(this.#takeBatch());
    }
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
