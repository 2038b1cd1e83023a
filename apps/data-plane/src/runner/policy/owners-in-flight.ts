/** Calls under way of all versions of one conf. */
export interface OwnerInFlight {
  count: number;
}

/** Outlives the versions of a conf, but not the last of them. */
export class OwnersInFlight {
  readonly #owners = new Map<string, { readonly inFlight: OwnerInFlight; users: number }>();

  acquire(owner: string): OwnerInFlight {
    const known = this.#owners.get(owner);
    if (known !== undefined) {
      known.users++;
      return known.inFlight;
    }
    const inFlight = { count: 0 };
    this.#owners.set(owner, { inFlight, users: 1 });
    return inFlight;
  }

  release(owner: string): void {
    const known = this.#owners.get(owner);
    if (known === undefined) return;
    known.users--;
    if (known.users === 0) this.#owners.delete(owner);
  }
}
