import type { ConfReference } from '@polygate/rpc';

interface Held {
  readonly conf: ConfReference;
  readonly runner: string;
  /** Plugins that were prepared with it: also those of a former version of other settings. */
  holders: number;
}

/** Hears of what runners are to have, and to forget. */
export interface ConfHolder {
  hold(conf: ConfReference, runner: string): void;
  release(key: string, runner: string): void;
}

/**
 * The confs that this worker's configuration has now, so that managers get their tokens ahead of the
 * first call. One that goes and comes back in one turn of the event loop is not told of.
 */
export class HeldConfs {
  readonly #holder: ConfHolder;
  readonly #held = new Map<string, Held>();
  /** Told of to the manager, and not taken back. */
  readonly #told = new Map<string, Held>();
  /** Changed since the last turn: looking at all would make each change cost as much as all confs. */
  readonly #changed = new Set<string>();

  constructor(holder: ConfHolder) {
    this.#holder = holder;
  }

  get size(): number {
    return this.#held.size;
  }

  hold(conf: ConfReference, runner: string): void {
    const id = idOf(conf.key, runner);
    const known = this.#held.get(id);
    if (known !== undefined) known.holders++;
    else this.#held.set(id, { conf, runner, holders: 1 });
    this.#tellLater(id);
  }

  release(key: string, runner: string): void {
    const id = idOf(key, runner);
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.holders--;
    if (held.holders === 0) this.#held.delete(id);
    this.#tellLater(id);
  }

  /** Everything, to a manager that knows nothing yet. */
  tellAll(holder: ConfHolder): void {
    for (const { conf, runner } of this.#told.values()) holder.hold(conf, runner);
  }

  #tellLater(id: string): void {
    if (this.#changed.size === 0) setImmediate(() => this.#tellChanges());
    this.#changed.add(id);
  }

  #tellChanges(): void {
    for (const id of this.#changed) {
      const held = this.#held.get(id);
      const told = this.#told.get(id);
      if (held !== undefined && told === undefined) {
        this.#told.set(id, held);
        this.#holder.hold(held.conf, held.runner);
      } else if (held === undefined && told !== undefined) {
        this.#told.delete(id);
        this.#holder.release(told.conf.key, told.runner);
      }
    }
    this.#changed.clear();
  }
}

function idOf(key: string, runner: string): string {
  return `${runner} ${key}`;
}
