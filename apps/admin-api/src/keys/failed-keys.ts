import { isIPv6 } from 'node:net';

export interface FailedKeysOptions {
  /** Wrong keys from one address within the window, until nothing of it is looked at; 0: no limit. */
  readonly failuresMax: number;
  readonly windowMs: number;
  readonly addressesMax?: number;
  /** Milliseconds that only grow. */
  readonly now?: () => number;
}

interface Failures {
  count: number;
  readonly endsAtMs: number;
}

const ADDRESSES_MAX = 10_000;

/**
 * Counts wrong keys by client address, so that they cannot be guessed. A right key changes nothing:
 * who has one would otherwise get as many guesses at another one as he likes. A window begins with
 * the first wrong key and ends after its time, however many follow. With more addresses than fit
 * the one that failed first is forgotten.
 */
export class FailedKeys {
  readonly #options: FailedKeysOptions;
  readonly #now: () => number;
  /** By network, in the order of their windows. */
  readonly #failures = new Map<string, Failures>();

  constructor(options: FailedKeysOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Milliseconds for which this address gets no more attempts; 0: it may try. */
  blockedMs(address: string): number {
    const { failuresMax } = this.#options;
    const failures = this.#failures.get(networkOf(address));
    if (failuresMax === 0 || failures === undefined || failures.count < failuresMax) return 0;
    return Math.max(0, failures.endsAtMs - this.#now());
  }

  note(address: string): void {
    if (this.#options.failuresMax === 0) return;
    const now = this.#now();
    const network = networkOf(address);
    const known = this.#failures.get(network);
    if (known !== undefined && known.endsAtMs > now) {
      known.count += 1;
      return;
    }
    // to the end of the order
    this.#failures.delete(network);
    this.#makeRoom(now);
    this.#failures.set(network, { count: 1, endsAtMs: now + this.#options.windowMs });
  }

  #makeRoom(now: number): void {
    const { addressesMax = ADDRESSES_MAX } = this.#options;
    for (const [network, { endsAtMs }] of this.#failures) {
      if (endsAtMs > now && this.#failures.size < addressesMax) return;
      this.#failures.delete(network);
    }
  }
}

/** The address, but of IPv6 its /64, which one client has for itself. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0');
  return [...front, ...zeros, ...back].slice(0, 4).join(':');
}
