import type { ConfigSnapshot } from './config-snapshot.ts';

interface Held {
  readonly snapshot: ConfigSnapshot;
  requests: number;
  /** What nobody needs once this snapshot and all before it have ended. */
  disposals: readonly (() => void)[];
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

  /** `disposals`: what the former snapshot has and this one has not. */
  publish(snapshot: ConfigSnapshot, disposals: readonly (() => void)[]): void {
    const former = this.#held.at(-1);
    if (former !== undefined) {
      if (snapshot.revision < former.snapshot.revision) {
        throw new Error(
          `snapshot of revision ${snapshot.revision} is older than ${former.snapshot.revision}`,
        );
      }
      former.disposals = disposals;
    }
    this.#held.push({ snapshot, requests: 0, disposals: [] });
    this.#disposeEnded();
  }

  /** Call the function once, when the request has ended. Undefined before the first snapshot. */
  pin(): { readonly snapshot: ConfigSnapshot; readonly release: () => void } | undefined {
    const held = this.#held.at(-1);
    if (held === undefined) return undefined;
    held.requests++;
    return {
      snapshot: held.snapshot,
      release: () => {
        held.requests--;
        if (held.requests === 0) this.#disposeEnded();
      },
    };
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
