import { connectLdap, type LdapServer } from './connect-ldap.ts';
import { LdapConnectionError, type LdapConnection } from './ldap-connection.ts';

export interface LdapClientOptions extends LdapServer {
  /** Of one call as a whole. */
  readonly timeoutMs: number;
  readonly idleMs: number;
  /** Connections that wait for the next call. */
  readonly idleConnectionsMax: number;
}

/** Operations on one connection, in turn. */
export type LdapWork<T> = (connection: LdapConnection, signal: AbortSignal) => Promise<T>;

/** Each has a connection of its own. */
const CALLS_IN_FLIGHT_MAX = 256;

/** Calls to one directory, over connections that are used again. `close` when it is not needed any more. */
export class LdapClient {
  readonly #options: LdapClientOptions;
  readonly #idle: LdapConnection[] = [];
  #isClosed = false;
  #callsInFlight = 0;

  constructor(options: LdapClientOptions) {
    this.#options = options;
  }

  /**
   * Runs `work`, and a second time on a new connection where the first was a kept one that had been
   * closed. Such a one is bound as somebody already: work begins with a bind. Rejects when the directory
   * cannot be asked in time.
   */
  async call<T>(work: LdapWork<T>, signal: AbortSignal): Promise<T> {
    if (this.#callsInFlight >= CALLS_IN_FLIGHT_MAX) throw new Error('too many calls at once');
    this.#callsInFlight++;
    try {
      return await this.#call(work, signal);
    } finally {
      this.#callsInFlight--;
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  async #call<T>(work: LdapWork<T>, signal: AbortSignal): Promise<T> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeoutMs)]);
    const kept = this.#takeIdle();
    if (kept !== undefined) {
      try {
        return await this.#run(work, kept, limit);
      } catch (error) {
        if (!(error instanceof LdapConnectionError)) throw error;
      }
    }
    return this.#run(work, await connectLdap(this.#options, limit), limit);
  }

  async #run<T>(work: LdapWork<T>, connection: LdapConnection, limit: AbortSignal): Promise<T> {
    try {
      const result = await work(connection, limit);
      this.#keep(connection);
      return result;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  #takeIdle(): LdapConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined || connection.resume()) return connection;
    }
  }

  #keep(connection: LdapConnection): void {
    const { idleMs, idleConnectionsMax } = this.#options;
    if (this.#isClosed || this.#idle.length >= idleConnectionsMax) {
      connection.close();
      return;
    }
    this.#idle.push(connection);
    connection.idle(idleMs, () => {
      const index = this.#idle.indexOf(connection);
      if (index !== -1) this.#idle.splice(index, 1);
    });
  }
}
