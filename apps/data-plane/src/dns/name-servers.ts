import { Resolver } from 'node:dns/promises';
import { isIPv6 } from 'node:net';

export interface NameServersOptions {
  /** Addresses, with or without a port; undefined: those of the system. */
  readonly servers: readonly string[] | undefined;
  /** Of one try. */
  readonly timeoutMs: number;
}

/** What some questions to name servers have brought. */
export interface Resolved<T> {
  readonly records: readonly T[];
  /** From now. */
  readonly ttlMs: number;
}

const TRIES = 2;

export function openNameServers({ servers, timeoutMs }: NameServersOptions): Resolver {
  const resolver = new Resolver({ timeout: timeoutMs, tries: TRIES });
  if (servers !== undefined) resolver.setServers(servers.map(bracketed));
  return resolver;
}

/** The answer for the first name that has one. Rejects with the error that says most. */
export async function askInOrder<T>(
  names: readonly string[],
  ask: (name: string) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  for (const name of names) {
    try {
      return await ask(name);
    } catch (error) {
      // that one of the longer names does not exist says nothing of the one that nobody could tell of
      if (failure === undefined || isDenial(failure)) failure = error;
    }
  }
  throw failure;
}

/** The name server knows for sure: no such name, or no such record of it. */
export function isDenial(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

/** `::1` → `[::1]`, as node:dns wants it beside a port. */
function bracketed(server: string): string {
  return isIPv6(server) ? `[${server}]` : server;
}
