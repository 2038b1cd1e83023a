import type { RequestContext, SharedCache } from '@polygate/plugin-sdk';
import { variantOf } from './cache-key.ts';
import { decodeEntry, decodeIndex, encodeEntry } from './memory-entry.ts';
import type { MemoryEntry, VaryIndex } from './memory-entry.ts';

/** A header of many values, as User-Agent, would fill the zone: the oldest variant goes. */
const VARIANTS_MAX = 64;

export type Lookup =
  | { readonly kind: 'found'; readonly entry: MemoryEntry }
  | { readonly kind: 'missing' }
  | { readonly kind: 'expired' };

/**
 * Answers in memory, with a variant for each set of values that Vary names. The length of the key
 * stands before it: no key that a client can choose is another one's variant.
 * Source: apisix/plugins/proxy-cache/memory_handler.lua.
 */
export class MemoryZone {
  readonly #cache: SharedCache;

  constructor(cache: SharedCache) {
    this.#cache = cache;
  }

  find(key: string, ctx: RequestContext): Lookup {
    const found = this.#cache.get(this.#placeOf(key, ctx));
    if (found === undefined) return { kind: 'missing' };
    if (found.isExpired) return { kind: 'expired' };
    const entry = decodeEntry(found.value);
    return entry === undefined ? { kind: 'missing' } : { kind: 'found', entry };
  }

  /** False: the answer is too large for the zone. */
  store(key: string, entry: MemoryEntry, vary: readonly string[], ctx: RequestContext): boolean {
    const ttlMs = entry.ttl * 1000;
    let place = entryKey(key);
    if (vary.length > 0) {
      const variant = variantOf(vary, ctx);
      this.#addVariant(key, vary, variant, ttlMs);
      this.#cache.delete(place);
      place = variantKey(key, variant);
    } else if (this.#indexOf(key) !== undefined) {
      this.purge(key);
    }
    return this.#cache.set(place, encodeEntry(entry), ttlMs);
  }

  /** Whether there was anything, be it past its time. */
  purge(key: string): boolean {
    const index = this.#indexOf(key);
    const wasThere = index !== undefined || this.#cache.get(entryKey(key)) !== undefined;
    this.#forgetVariants(key, index);
    this.#cache.delete(indexKey(key));
    this.#cache.delete(entryKey(key));
    return wasThere;
  }

  #placeOf(key: string, ctx: RequestContext): string {
    const found = this.#cache.get(indexKey(key));
    const index = found === undefined || found.isExpired ? undefined : decodeIndex(found.value);
    if (index === undefined || index.vary.length === 0) return entryKey(key);
    return variantKey(key, variantOf(index.vary, ctx));
  }

  /** One past its time, too: its variants may have time left. */
  #indexOf(key: string): VaryIndex | undefined {
    const found = this.#cache.get(indexKey(key));
    return found === undefined ? undefined : decodeIndex(found.value);
  }

  #addVariant(key: string, vary: readonly string[], variant: string, ttlMs: number): void {
    const former = this.#indexOf(key);
    let variants: string[] = [];
    if (former !== undefined && former.vary.join() === vary.join()) {
      variants = [...former.variants];
    } else {
      this.#forgetVariants(key, former);
    }
    if (!variants.includes(variant)) {
      for (const oldest of variants.splice(0, variants.length - VARIANTS_MAX + 1)) {
        this.#cache.delete(variantKey(key, oldest));
      }
      variants.push(variant);
    }
    const index: VaryIndex = { vary, variants };
    this.#cache.set(indexKey(key), [Buffer.from(JSON.stringify(index))], ttlMs);
  }

  #forgetVariants(key: string, index: VaryIndex | undefined): void {
    for (const variant of index?.variants ?? []) this.#cache.delete(variantKey(key, variant));
  }
}

function entryKey(key: string): string {
  return `${Buffer.byteLength(key)}:${key}`;
}

function variantKey(key: string, variant: string): string {
  return `${entryKey(key)}::${variant}`;
}

function indexKey(key: string): string {
  return `${entryKey(key)}::__vary`;
}
