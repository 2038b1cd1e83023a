import { lookup as systemLookup } from 'node:dns/promises';
import type { Resolver } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import type { LookupFunction } from 'node:net';
import { NameError } from './name-error.ts';
import { askInOrder, isDenial, openNameServers } from './name-servers.ts';
import type { NameServersOptions, Resolved } from './name-servers.ts';
import { SystemNames } from './system-names.ts';

/** Least recently asked for names go first. */
const NAMES_MAX = 10_000;
const TTL_MS_MIN = 1000;
const TTL_MS_MAX = 3_600_000;
/** What has no TTL: `/etc/hosts` is looked at again by itself, and the system's resolver tells none. */
const OTHER_TTL_MS = 10_000;
/** A failure is not asked about again at once. */
const FAILURE_TTL_MS = 1000;
/** So long an address serves after its TTL when nobody can be asked. */
const STALE_MS_MAX = 300_000;

export interface NameResolverOptions extends NameServersOptions {
  /** In the place of what the records say. */
  readonly validMs: number | undefined;
  /** Ask for AAAA where a name has no A record. */
  readonly ipv6: boolean;
  readonly names?: SystemNames;
}

interface KnownName {
  readonly addresses: readonly string[];
  readonly error: NameError | undefined;
  readonly freshUntilMs: number;
  readonly usableUntilMs: number;
}

/**
 * Addresses of names, kept as long as their records allow. Once known a name is answered at once: what
 * is too old is asked anew in the background, so no request waits for a name server but the first.
 * Order as in APISIX: `/etc/hosts`, then A, then AAAA (core/dns/client.lua, `order`).
 */
export class NameResolver {
  readonly #options: NameResolverOptions;
  readonly #resolver: Resolver;
  readonly #names: SystemNames;
  readonly #known = new Map<string, KnownName>();
  readonly #asking = new Map<string, Promise<KnownName>>();

  constructor(options: NameResolverOptions) {
    this.#options = options;
    this.#names = options.names ?? new SystemNames();
    this.#resolver = openNameServers(options);
  }

  /** For `net.connect`: one address, another each time. */
  readonly lookup: LookupFunction = (name, options, callback) => {
    const answer = (known: KnownName): void => {
      const { addresses, error } = known;
      if (error !== undefined) {
        callback(error, '', 0);
      } else if (options.all === true) {
        callback(
          null,
          addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 })),
        );
      } else {
        const address = addresses[Math.floor(Math.random() * addresses.length)] ?? '';
        callback(null, address, isIPv6(address) ? 6 : 4);
      }
    };
    this.#find(name.toLowerCase()).then(answer, (error: unknown) =>
      callback(error as NodeJS.ErrnoException, '', 0),
    );
  };

  /**
   * Whether a connection that was made to the name may be used on: false once the name has other
   * addresses. Asks anew in the background when it is time to.
   */
  leadsTo(lowerName: string, address: string): boolean {
    const known = this.#known.get(lowerName);
    if (known === undefined) return true;
    if (performance.now() >= known.freshUntilMs) void this.#ask(lowerName, known);
    return known.error !== undefined || known.addresses.includes(address);
  }

  #find(name: string): Promise<KnownName> {
    const known = this.#known.get(name);
    if (known === undefined) return this.#ask(name, undefined);
    const nowMs = performance.now();
    if (nowMs < known.freshUntilMs) return Promise.resolve(known);
    const asked = this.#ask(name, known);
    return nowMs < known.usableUntilMs ? Promise.resolve(known) : asked;
  }

  /** Once for all who want to know. Never rejects. */
  #ask(name: string, before: KnownName | undefined): Promise<KnownName> {
    const running = this.#asking.get(name);
    if (running !== undefined) return running;
    const asking = this.#query(name)
      .then(({ records, ttlMs }) => known(records, ttlMs))
      .catch((error: unknown) => stillKnown(name, before, error))
      .then((result) => {
        this.#asking.delete(name);
        this.#keep(name, result);
        return result;
      });
    this.#asking.set(name, asking);
    return asking;
  }

  #keep(name: string, result: KnownName): void {
    this.#known.delete(name);
    this.#known.set(name, result);
    if (this.#known.size <= NAMES_MAX) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  async #query(name: string): Promise<Resolved<string>> {
    const own = this.#names.addressesOf(name).filter((one) => this.#options.ipv6 || !isIPv6(one));
    if (own.length > 0) return { records: own, ttlMs: OTHER_TTL_MS };
    try {
      return await askInOrder(this.#names.candidatesOf(name), (one) => this.#queryServers(one));
    } catch (error) {
      // Where nobody named servers, the system may have other ways than asking them.
      if (this.#options.servers !== undefined) throw error;
    }
    const found = await systemLookup(name, { all: true, family: this.#options.ipv6 ? 0 : 4 });
    return { records: found.map(({ address }) => address), ttlMs: OTHER_TTL_MS };
  }

  async #queryServers(name: string): Promise<Resolved<string>> {
    try {
      return this.#withTtl(await this.#resolver.resolve4(name, { ttl: true }));
    } catch (error) {
      if (!this.#options.ipv6) throw error;
      try {
        return this.#withTtl(await this.#resolver.resolve6(name, { ttl: true }));
      } catch {
        // the first answer says more: that there is no AAAA is the usual case
        throw error;
      }
    }
  }

  #withTtl(found: readonly { address: string; ttl: number }[]): Resolved<string> {
    const ttlMs = Math.min(...found.map(({ ttl }) => ttl)) * 1000;
    return { records: found.map(({ address }) => address), ttlMs: this.#options.validMs ?? ttlMs };
  }
}

function known(addresses: readonly string[], ttlMs: number): KnownName {
  const freshUntilMs = performance.now() + Math.min(Math.max(ttlMs, TTL_MS_MIN), TTL_MS_MAX);
  return {
    addresses,
    error: undefined,
    freshUntilMs,
    usableUntilMs: freshUntilMs + STALE_MS_MAX,
  };
}

/** The last known addresses serve on while nobody can be asked. */
function stillKnown(name: string, before: KnownName | undefined, cause: unknown): KnownName {
  const nowMs = performance.now();
  const freshUntilMs = nowMs + FAILURE_TTL_MS;
  const isUsable =
    before !== undefined && before.error === undefined && nowMs < before.usableUntilMs;
  if (isUsable && !isDenial(cause)) return { ...before, freshUntilMs };
  const error = cause instanceof NameError ? cause : new NameError(name, textOf(cause), { cause });
  return { addresses: [], error, freshUntilMs, usableUntilMs: freshUntilMs };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
