import type { StoredItem, WatchEvent } from '@polygate/config-store';
import type { Logger } from '@polygate/plugin-sdk';
import {
  isEnvironmentReference,
  resolveEnvironmentReference,
  type Variables,
} from './environment-reference.ts';
import { isAwsConf, readAws } from './aws.ts';
import { GcpSecrets, isGcpConf } from './gcp.ts';
import type { Resolution } from './resolve-references.ts';
import { isVaultConf, readVault } from './vault.ts';

export interface SecretCacheOptions {
  readonly variables: Variables;
  /** How long a value is good before it is fetched again. */
  readonly ttlMs: number;
  /** How long after a failure it is tried again. */
  readonly retryMs: number;
  readonly log: Logger;
}

interface Entry {
  /** The last value stays when a later fetch fails. */
  resolution: Resolution;
  /** Milliseconds since the epoch; 0: before anything that asks for it is used. */
  dueAt: number;
}

const REFERENCE_PREFIX = '$secret://';
const KEY_PREFIX = '/secrets/';
const FETCHES_MAX = 8;
/** What a change of the configuration waits for at most. */
const REFRESH_TIMEOUT_MS = 8000;

/**
 * What references to secrets stand for. Environment variables are at hand; what a secret manager
 * holds is fetched by `refresh`, never while somebody waits for `resolve`. Source:
 * apisix/secret.lua.
 */
export class SecretCache {
  readonly #options: SecretCacheOptions;
  /** Confs of secret managers by `<manager>/<id>`. */
  readonly #managers = new Map<string, unknown>();
  readonly #gcp = new GcpSecrets();
  #entries = new Map<string, Entry>();
  #former: ReadonlyMap<string, Entry> = new Map();
  #refreshing: Promise<unknown> = Promise.resolve();

  constructor(options: SecretCacheOptions) {
    this.#options = options;
  }

  /** Takes note of secret managers that came, changed or went. Answers whether any did. */
  observe(event: Exclude<WatchEvent, { kind: 'status' }>): boolean {
    const changed = new Set<string>();
    if (event.kind === 'resync') {
      for (const name of this.#managers.keys()) changed.add(name);
      this.#managers.clear();
    }
    const changes =
      event.kind === 'changes'
        ? event.changes
        : event.items.map((item) => ({ kind: 'put', item }) as const);
    for (const change of changes) {
      const key = change.kind === 'put' ? change.item.key : change.key;
      if (!key.startsWith(KEY_PREFIX)) continue;
      const name = key.slice(KEY_PREFIX.length);
      changed.add(name);
      if (change.kind === 'put') this.#take(name, change.item);
      else this.#managers.delete(name);
    }
    for (const [reference, entry] of this.#entries) this.#outdate(reference, entry, changed);
    return changed.size > 0;
  }

  /** At once. What nobody asked for before cannot be known: then `isDue` says so. */
  resolve(reference: string): Resolution {
    if (isEnvironmentReference(reference)) {
      return resolveEnvironmentReference(reference, this.#options.variables);
    }
    const known = this.#entries.get(reference) ?? this.#former.get(reference);
    const entry = known ?? { resolution: { reason: 'it is not fetched yet' }, dueAt: 0 };
    this.#entries.set(reference, entry);
    return entry.resolution;
  }

  /** Whether references were asked for that have to be fetched first. */
  get isDue(): boolean {
    return [...this.#entries.values()].some(({ dueAt }) => dueAt === 0);
  }

  /** Forgets every reference that `ask` does not resolve. */
  askAnew<T>(ask: () => T): T {
    this.#former = this.#entries;
    this.#entries = new Map();
    try {
      return ask();
    } finally {
      this.#former = new Map();
    }
  }

  /**
   * Fetches what is due, for eight seconds at most; what is left is due again. Never rejects.
   * Answers whether a reference stands for something else than before.
   */
  refresh(signal: AbortSignal): Promise<boolean> {
    const refreshed = this.#refreshing.then(() => this.#refreshNow(signal));
    this.#refreshing = refreshed;
    return refreshed;
  }

  async #refreshNow(stopped: AbortSignal): Promise<boolean> {
    const due = [...this.#entries].filter(([, { dueAt }]) => dueAt <= Date.now());
    if (due.length === 0) return false;
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(REFRESH_TIMEOUT_MS)]);
    let changed = false;
    const work = async (): Promise<void> => {
      for (let next = due.pop(); next !== undefined; next = due.pop()) {
        const [reference, entry] = next;
        const fetched = await this.#fetch(reference, signal);
        if (this.#keep(reference, entry, fetched)) changed = true;
      }
    };
    await Promise.all(Array.from({ length: FETCHES_MAX }, work));
    return changed;
  }

  /** Whether it is another value than before. */
  #keep(reference: string, entry: Entry, fetched: Resolution): boolean {
    const { ttlMs, retryMs, log } = this.#options;
    const before = entry.resolution;
    if ('value' in fetched) {
      entry.resolution = fetched;
      entry.dueAt = Date.now() + ttlMs;
      return !('value' in before) || JSON.stringify(before.value) !== JSON.stringify(fetched.value);
    }
    entry.dueAt = Date.now() + retryMs;
    if ('value' in before) {
      log.error(`${reference} keeps its last value: ${fetched.reason}`);
    } else {
      entry.resolution = fetched;
    }
    return false;
  }

  async #fetch(reference: string, signal: AbortSignal): Promise<Resolution> {
    const { manager, id, key } = parseReference(reference);
    if (manager === '') return { reason: 'error format: no secret manager' };
    if (id === '') return { reason: 'error format: no secret conf id' };
    if (key === '') return { reason: 'error format: no secret key id' };
    if (signal.aborted) return { reason: 'there was no time left to fetch it' };
    const conf = this.#managers.get(`${manager}/${id}`);
    if (conf === undefined) return { reason: `no secret conf, secret_uri: ${reference}` };
    const asked = { variables: this.#options.variables, signal };
    switch (manager) {
      case 'vault':
        if (!isVaultConf(conf))
          return { reason: `/secrets/vault/${id} lacks uri, prefix or token` };
        return readVault(conf, key, asked);
      case 'aws':
        if (!isAwsConf(conf)) return { reason: `/secrets/aws/${id} lacks an access key` };
        return readAws(conf, key, asked);
      case 'gcp':
        if (!isGcpConf(conf))
          return { reason: `/secrets/gcp/${id} lacks auth_config or auth_file` };
        return this.#gcp.read(conf, key, signal);
      default:
        return { reason: `there is no secret manager ${manager}` };
    }
  }

  #take(name: string, { value }: StoredItem): void {
    this.#managers.set(name, value);
  }

  #outdate(reference: string, entry: Entry, changed: ReadonlySet<string>): void {
    const { manager, id } = parseReference(reference);
    const name = `${manager}/${id}`;
    if (!changed.has(name)) return;
    entry.dueAt = 0;
    if (!this.#managers.has(name)) entry.resolution = { reason: 'its secret manager is gone' };
  }
}

/** `$secret://<manager>/<id>/<key>`; the key may have slashes. */
function parseReference(reference: string) {
  const [manager = '', id = '', ...key] = reference.slice(REFERENCE_PREFIX.length).split('/');
  return { manager, id, key: key.join('/') };
}
