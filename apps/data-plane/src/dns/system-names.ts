import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';

const HOSTS_FILE = '/etc/hosts';
const RESOLV_FILE = '/etc/resolv.conf';
/** Between two looks whether a file has changed. */
const RECHECK_MS = 5000;
const FILE_BYTES_MAX = 1024 * 1024;

/** What `/etc/resolv.conf` says of names that are not complete. */
export interface SearchRules {
  readonly domains: readonly string[];
  /** Names with that many dots are tried as they are first. */
  readonly ndots: number;
}

/** A text file that is read again when it has changed. One that is not there is empty. */
class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #checkedMs = -Infinity;
  #version = '';
  #value: T;

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
    this.#value = parse('');
  }

  get value(): T {
    const nowMs = performance.now();
    if (nowMs - this.#checkedMs < RECHECK_MS) return this.#value;
    this.#checkedMs = nowMs;
    try {
      const { mtimeMs, size, ino } = statSync(this.#path);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version !== this.#version && size <= FILE_BYTES_MAX) {
        this.#value = this.#parse(readFileSync(this.#path, 'utf8'));
        this.#version = version;
      }
    } catch {
      // a system without the file: names are the servers' business alone
      this.#version = '';
      this.#value = this.#parse('');
    }
    return this.#value;
  }
}

/** Names that the machine itself knows, and its rules for asking others. */
export class SystemNames {
  readonly #hosts: WatchedFile<ReadonlyMap<string, readonly string[]>>;
  readonly #search: WatchedFile<SearchRules>;

  constructor(files: { readonly hosts?: string; readonly resolv?: string } = {}) {
    this.#hosts = new WatchedFile(files.hosts ?? HOSTS_FILE, parseHosts);
    this.#search = new WatchedFile(files.resolv ?? RESOLV_FILE, parseResolv);
  }

  /** Addresses of `/etc/hosts`; empty: it does not have the name. */
  addressesOf(lowerName: string): readonly string[] {
    return this.#hosts.value.get(lowerName) ?? [];
  }

  /** What to ask servers for, in order: resolv.conf(5), `search` and `ndots`. */
  candidatesOf(lowerName: string): readonly string[] {
    if (lowerName.endsWith('.')) return [lowerName.slice(0, -1)];
    const { domains, ndots } = this.#search.value;
    const longer = domains.map((domain) => `${lowerName}.${domain}`);
    const dots = lowerName.split('.').length - 1;
    return dots >= ndots ? [lowerName, ...longer] : [...longer, lowerName];
  }
}

export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const known = hosts.get(name.toLowerCase());
      if (known === undefined) hosts.set(name.toLowerCase(), [address]);
      else known.push(address);
    }
  }
  return hosts;
}

export function parseResolv(text: string): SearchRules {
  let domains: string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [key = '', ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (key === 'search' || key === 'domain') {
      domains = values.map((domain) => domain.toLowerCase().replace(/\.$/, '')).filter(Boolean);
    } else if (key === 'options') {
      const written = values.find((value) => value.startsWith('ndots:'))?.slice('ndots:'.length);
      if (written !== undefined && /^\d{1,2}$/.test(written)) ndots = Math.min(Number(written), 15);
    }
  }
  return { domains, ndots };
}
