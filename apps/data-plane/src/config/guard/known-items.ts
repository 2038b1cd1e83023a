import type { StoredItem, WatchEvent } from '@polygate/config-store';

export type StoreEvent = Exclude<WatchEvent, { kind: 'status' }>;

/** Everything the store has told us, as it is stored: what is encrypted there is encrypted here. */
export class KnownItems {
  #items = new Map<string, StoredItem>();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#items.size;
  }

  get(key: string): StoredItem | undefined {
    return this.#items.get(key);
  }

  /** Stays valid while it is walked and items come and go. */
  values(): IterableIterator<StoredItem> {
    return this.#items.values();
  }

  apply(event: StoreEvent): void {
    this.#revision = event.revision;
    if (event.kind === 'resync') {
      this.#items = new Map(event.items.map((item) => [item.key, item]));
      return;
    }
    for (const change of event.changes) {
      if (change.kind === 'put') this.#items.set(change.item.key, change.item);
      else this.#items.delete(change.key);
    }
  }
}
