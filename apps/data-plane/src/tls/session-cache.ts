const SLOT_BYTES = 512;
const LOCK_WORD = 0;
const EXPIRES_WORD = 1;
const LENGTH_WORD = 2;
const SLOT_WORDS = SLOT_BYTES / 4;
const ID_OFFSET = 12;
const ID_BYTES = 32;
const DATA_OFFSET = ID_OFFSET + ID_BYTES;
const DATA_BYTES_MAX = SLOT_BYTES - DATA_OFFSET;
/** An id may lie in one of so many neighbouring slots. */
const WAYS = 4;

/** Memory for so many sessions, to be handed to every worker. */
export function sessionMemory(sessionsMax: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(WAYS, sessionsMax) * SLOT_BYTES);
}

/**
 * TLS sessions by their ids, shared by the threads of the process as nginx's `ssl_session_cache shared`
 * is by its workers: a client comes back to any of them. A place of fixed size for each; where a place
 * is taken the session that ends first makes room, where another thread is at it the session is not
 * kept or not found. A session is bound to the certificate object that made it by TLS itself
 * (session id context).
 */
export class SessionCache {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  readonly #groups: number;
  readonly #lifetimeSeconds: number;

  /** `memory` from `sessionMemory`. */
  constructor(memory: SharedArrayBuffer, lifetimeSeconds: number) {
    this.#words = new Int32Array(memory);
    this.#bytes = Buffer.from(memory);
    this.#groups = Math.floor(memory.byteLength / SLOT_BYTES / WAYS);
    this.#lifetimeSeconds = lifetimeSeconds;
  }

  /** Ids are random bytes of ours; those of another length and sessions that are too long stay out. */
  put(id: Buffer, session: Buffer): void {
    if (id.length !== ID_BYTES || session.length > DATA_BYTES_MAX) return;
    const slot = this.#slotFor(id);
    this.#locked(slot, () => {
      const start = slot * SLOT_BYTES;
      this.#words[slot * SLOT_WORDS + EXPIRES_WORD] = nowSeconds() + this.#lifetimeSeconds;
      this.#words[slot * SLOT_WORDS + LENGTH_WORD] = session.length;
      id.copy(this.#bytes, start + ID_OFFSET);
      session.copy(this.#bytes, start + DATA_OFFSET);
    });
  }

  get(id: Buffer): Buffer | undefined {
    if (id.length !== ID_BYTES) return undefined;
    const first = this.#firstSlot(id);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (!this.#holds(slot, id)) continue;
      // Read again under the lock: another thread may have been writing.
      return this.#locked(slot, () => (this.#holds(slot, id) ? this.#session(slot) : undefined));
    }
    return undefined;
  }

  #session(slot: number): Buffer | undefined {
    const word = slot * SLOT_WORDS;
    if ((this.#words[word + EXPIRES_WORD] as number) <= nowSeconds()) return undefined;
    const start = slot * SLOT_BYTES + DATA_OFFSET;
    const length = this.#words[word + LENGTH_WORD] as number;
    return Buffer.from(this.#bytes.subarray(start, start + length));
  }

  #holds(slot: number, id: Buffer): boolean {
    const start = slot * SLOT_BYTES + ID_OFFSET;
    return this.#bytes.compare(id, 0, ID_BYTES, start, start + ID_BYTES) === 0;
  }

  #firstSlot(id: Buffer): number {
    return (id.readUInt32LE(0) % this.#groups) * WAYS;
  }

  #slotFor(id: Buffer): number {
    const first = this.#firstSlot(id);
    let oldest = first;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#holds(slot, id)) return slot;
      if (this.#expires(slot) < this.#expires(oldest)) oldest = slot;
    }
    return oldest;
  }

  #expires(slot: number): number {
    return this.#words[slot * SLOT_WORDS + EXPIRES_WORD] as number;
  }

  /** Nobody waits: a thread that ended while it held the lock costs one slot. */
  #locked<T>(slot: number, run: () => T): T | undefined {
    const word = slot * SLOT_WORDS + LOCK_WORD;
    if (Atomics.compareExchange(this.#words, word, 0, 1) !== 0) return undefined;
    try {
      return run();
    } finally {
      Atomics.store(this.#words, word, 0);
    }
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
