import { randomInt } from 'node:crypto';
import type { TextEntry } from '@polygate/runner-protocol';
import type { PreparedPlugin } from './plugin-set.ts';

interface Entry {
  readonly key: string;
  readonly conf: readonly TextEntry[];
  prepared: readonly PreparedPlugin[];
  expiresAtMs: number;
}

const TOKEN_MAX = 0xffff_ffff;

export interface ConfCacheOptions {
  /** From the last use. Longer than a gateway keeps a token, or each expiry costs a failed call. */
  readonly ttlMs: number;
  /** The conf that was not used for longest gives way. */
  readonly entriesMax: number;
}

/** The confs that gateways have handed over, by token. */
export class ConfCache {
  readonly #options: ConfCacheOptions;
  /** In the order of their last use, which is the order in which they expire. */
  readonly #entries = new Map<number, Entry>();
  readonly #tokens = new Map<string, number>();
  /**
   * Not from 1: a gateway may still hold tokens of this runner's predecessor, and must be told that
   * they are unknown rather than be served with another conf.
   */
  #lastToken = randomInt(1, 2 ** 31);

  constructor(options: ConfCacheOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The token that the same key and conf got before. */
  find(key: string, conf: readonly TextEntry[]): number | undefined {
    // APISIX before 2.9 sends no key.
    const token = key === '' ? undefined : this.#tokens.get(key);
    if (token === undefined || this.get(token) === undefined) return undefined;
    const known = this.#entries.get(token)?.conf;
    return known !== undefined && isSame(known, conf) ? token : undefined;
  }

  put(key: string, conf: readonly TextEntry[], prepared: readonly PreparedPlugin[]): number {
    this.#makeRoom();
    do {
      this.#lastToken = this.#lastToken === TOKEN_MAX ? 1 : this.#lastToken + 1;
    } while (this.#entries.has(this.#lastToken));
    const token = this.#lastToken;
    const expiresAtMs = performance.now() + this.#options.ttlMs;
    this.#entries.set(token, { key, conf, prepared, expiresAtMs });
    if (key !== '') this.#tokens.set(key, token);
    return token;
  }

  /** Extends its life. */
  get(token: number): readonly PreparedPlugin[] | undefined {
    const entry = this.#entries.get(token);
    if (entry === undefined) return undefined;
    const nowMs = performance.now();
    if (entry.expiresAtMs <= nowMs) {
      this.#remove(token, entry);
      return undefined;
    }
    entry.expiresAtMs = nowMs + this.#options.ttlMs;
    this.#entries.delete(token);
    this.#entries.set(token, entry);
    return entry.prepared;
  }

  /**
   * Prepares every conf anew, under the token that it has. One that cannot be keeps what it had, and
   * its error is in the result: running routes must not fail because a plugin got stricter.
   */
  prepareAgain(prepare: (conf: readonly TextEntry[]) => readonly PreparedPlugin[]): {
    readonly prepared: number;
    readonly errors: readonly unknown[];
  } {
    const errors: unknown[] = [];
    for (const entry of this.#entries.values()) {
      try {
        entry.prepared = prepare(entry.conf);
      } catch (error) {
        errors.push(error);
      }
    }
    return { prepared: this.#entries.size - errors.length, errors };
  }

  #makeRoom(): void {
    const nowMs = performance.now();
    for (const [token, entry] of this.#entries) {
      if (entry.expiresAtMs > nowMs && this.#entries.size < this.#options.entriesMax) return;
      this.#remove(token, entry);
    }
  }

  #remove(token: number, entry: Entry): void {
    this.#entries.delete(token);
    if (this.#tokens.get(entry.key) === token) this.#tokens.delete(entry.key);
  }
}

function isSame(left: readonly TextEntry[], right: readonly TextEntry[]): boolean {
  return (
    left.length === right.length &&
    left.every(({ name, value }, i) => name === right[i]?.name && value === right[i].value)
  );
}
