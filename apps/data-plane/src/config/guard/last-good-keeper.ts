import type { Logger } from '@polygate/plugin-sdk';
import type { StoredItem } from '@polygate/config-store';
import { readLastGood, writeLastGood } from './last-good-file.ts';
import type { KnownItems, StoreEvent } from './known-items.ts';

export interface LastGoodKeeperOptions {
  readonly file: string;
  /** Which store it is: its file is of no use for another one. */
  readonly source: string;
  readonly known: KnownItems;
  /** The version that is served of an item whose newest one breaks a rule. */
  readonly lastGoodOf: (key: string) => StoredItem | undefined;
  readonly log: Logger;
  /** From a change until it is written. */
  readonly delayMs?: number;
}

const DELAY_MS = 2000;
/** A large configuration that changes all the time must not keep the disk busy. */
const REST_FACTOR = 10;

/** Keeps the last good configuration on disk, and finds it there. */
export class LastGoodKeeper {
  readonly #options: LastGoodKeeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #restUntilMs = 0;
  #lastFailure = '';

  constructor(options: LastGoodKeeperOptions) {
    this.#options = options;
  }

  /** Changes that come close together are written once. */
  noteChange(): void {
    if (this.#timer !== undefined) return;
    const restMs = Math.max(0, this.#restUntilMs - Date.now());
    const delayMs = Math.max(this.#options.delayMs ?? DELAY_MS, restMs);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }, delayMs);
    this.#timer.unref();
  }

  /** As an event of a store. Undefined where there is none that is of use; the log says why. */
  async read(): Promise<StoreEvent | undefined> {
    const { file, source, log } = this.#options;
    try {
      const found = await readLastGood(file, source);
      if (found === undefined) return undefined;
      return { kind: 'resync', revision: found.revision, items: found.items };
    } catch (error) {
      log.error(`${file} cannot be used: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { file, source, known, lastGoodOf, log } = this.#options;
    const began = Date.now();
    try {
      // what changes while it is written is written the next time
      const items = Array.from(known.values(), (item) => lastGoodOf(item.key) ?? item);
      await writeLastGood(file, { source, revision: known.revision, items });
      this.#lastFailure = '';
    } catch (error) {
      const failure = messageOf(error);
      if (failure !== this.#lastFailure) {
        log.error(`the last good configuration is not kept in ${file}: ${failure}`);
      }
      this.#lastFailure = failure;
    }
    this.#restUntilMs = Date.now() + REST_FACTOR * (Date.now() - began);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
