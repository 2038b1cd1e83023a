import type { ConfigSnapshot } from './config-snapshot.ts';

/** A snapshot that a request holds on to. */
export interface PinnedSnapshot {
  readonly snapshot: ConfigSnapshot;
  /** To be called once, when the request has ended. */
  release(): void;
}

class Held implements PinnedSnapshot {
  readonly snapshot: ConfigSnapshot;
  requests = 0;
  /** What nobody needs once this snapshot and all before it have ended. */
  disposals: readonly (() => void)[] = [];
  readonly #onUnused: () => void;

  constructor(snapshot: ConfigSnapshot, onUnused: () => void) {
    this.snapshot = snapshot;
    this.#onUnused = onUnused;
  }

  release(): void {
    this.requests--;
    if (this.requests === 0) this.#onUnused();
  }
}

/**
 * The snapshot that new requests begin with. A request pins the one it began with; what a newer one
 * no longer has is disposed of when the last request that could use it ends.
 */
export class SnapshotHolder {
  /** Oldest first; the last is the current one. */
  readonly #held: Held[] = [];
  readonly #onDisposeError: (error: unknown) => void;

  constructor(onDisposeError: (error: unknown) => void) {
    this.#onDisposeError = onDisposeError;
  }

  get current(): ConfigSnapshot | undefined {
    return this.#held.at(-1)?.snapshot;
  }

  /**
   * `disposals`: what the former snapshot has and this one has not. `mayGoBack`: the store may have
   * been replaced by one with an older revision, as a restored backup.
   */
  publish(
    snapshot: ConfigSnapshot,
    disposals: readonly (() => void)[],
    { mayGoBack = false }: { readonly mayGoBack?: boolean } = {},
  ): void {
    const former = this.#held.at(-1);
    if (former !== undefined) {
      if (snapshot.revision < former.snapshot.revision && !mayGoBack) {
        throw new Error(
          `snapshot of revision ${snapshot.revision} is older than ${former.snapshot.revision}`,
        );
      }
      former.disposals = disposals;
    }
    this.#held.push(new Held(snapshot, () => this.#disposeEnded()));
    this.#disposeEnded();
  }

  /** Undefined before the first snapshot. */
  pin(): PinnedSnapshot | undefined {
    const held = this.#held.at(-1);
    if (held !== undefined) held.requests++;
    return held;
  }

  #disposeEnded(): void {
    while (this.#held.length > 1 && (this.#held[0] as Held).requests === 0) {
      const ended = this.#held.shift() as Held;
      for (const dispose of ended.disposals) {
        try {
          dispose();
        } catch (error) {
          this.#onDisposeError(error);
        }
      }
    }
  }
}
