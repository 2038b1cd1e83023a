import type { FileHandle } from 'node:fs/promises';
import type { Logger } from '@polygate/plugin-sdk';
import { encodeHead, type DiskHead } from './disk-file.ts';

export type FillHead = Omit<DiskHead, 'key' | 'generation'>;

interface DiskFillOptions {
  readonly head: DiskHead;
  /** Of head and body. */
  readonly bytesMax: number;
  readonly open: () => Promise<FileHandle>;
  readonly publish: (bytes: number) => Promise<void>;
  readonly discard: () => Promise<void>;
  readonly log: Logger;
}

/** What waits for the disk; with more than that the answer is not kept, for nobody waits for a disk. */
const PENDING_BYTES_MAX = 32 * 1024 * 1024;

/** Writes an answer into a file while it passes by, and puts the file in its place at the end. */
export class DiskFill {
  readonly #options: DiskFillOptions;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #bytes = 0;
  #isEnded = false;
  #isGivenUp = false;
  /** Settled: nothing is under way. */
  #work: Promise<void> | undefined;
  #file: FileHandle | undefined;

  constructor(options: DiskFillOptions) {
    this.#options = options;
    this.write(encodeHead(options.head));
  }

  /** The bytes are copied. */
  write(chunk: Buffer): void {
    if (this.#isGivenUp || this.#isEnded) return;
    this.#bytes += chunk.length;
    this.#pendingBytes += chunk.length;
    if (this.#bytes > this.#options.bytesMax || this.#pendingBytes > PENDING_BYTES_MAX) {
      this.giveUp();
      return;
    }
    this.#pending.push(Buffer.from(chunk));
    this.#work ??= this.#run();
  }

  end(): void {
    if (this.#isGivenUp) return;
    this.#isEnded = true;
    this.#work ??= this.#run();
  }

  /** Of no effect after the end. */
  giveUp(): void {
    if (this.#isEnded || this.#isGivenUp) return;
    this.#isGivenUp = true;
    this.#pending = [];
    this.#work ??= this.#run();
  }

  async #run(): Promise<void> {
    try {
      await this.#drain();
      if (this.#isEnded) await this.#options.publish(this.#bytes);
    } catch (error) {
      this.#isGivenUp = true;
      this.#pending = [];
      this.#options.log.error(`an answer cannot be cached: ${String(error)}`);
    }
    if (this.#isGivenUp) await this.#clean();
    this.#work = undefined;
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      this.#file ??= await this.#options.open();
      const chunks = this.#pending;
      this.#pending = [];
      if (chunks.length > 0) await this.#file.writev(chunks);
      this.#pendingBytes -= chunks.reduce((sum, { length }) => sum + length, 0);
    }
    if (!this.#isEnded || this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    await file.close();
  }

  async #clean(): Promise<void> {
    try {
      await this.#file?.close();
      this.#file = undefined;
      await this.#options.discard();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.#options.log.error(`a file is left behind: ${String(error)}`);
    }
  }
}
