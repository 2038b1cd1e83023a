import { hash } from 'node:crypto';
import type { SharedState } from '@polygate/plugin-sdk';

const LIFETIME_MS = 3_600_000;

/**
 * Who is logged in by one CAS configuration, for an hour after the last request. All worker threads know
 * them; they end with the process. What is kept of a session is that it is there: nothing asks who it
 * belongs to. When the table is full one that is near its end gives way.
 */
export class CasSessions {
  readonly cookieName: string;
  readonly #shared: SharedState;
  readonly #fingerprint: string;

  /** Confs that trust the same server for the same callback share their sessions, others never do. */
  constructor(idpUri: string, callbackUri: string, shared: SharedState) {
    this.#fingerprint = hash('sha256', `${idpUri}|${callbackUri}`, 'hex');
    this.cookieName = `CAS_SESSION_${this.#fingerprint}`;
    this.#shared = shared;
  }

  /** False: a session of this ticket is there already. */
  start(ticket: string): boolean {
    return this.#shared.incrementWindowBelow(this.#keyOf(ticket), 1, LIFETIME_MS, 1).isAdmitted;
  }

  /** False: there is none of this ticket. One that is there lives an hour from now. */
  renew(ticket: string): boolean {
    const key = this.#keyOf(ticket);
    if (this.#shared.takeFromQuota(key, 0) === undefined) return false;
    this.#shared.grantQuota(key, 1, LIFETIME_MS, 0);
    return true;
  }

  end(ticket: string): void {
    this.#shared.clearWindow(this.#keyOf(ticket));
  }

  #keyOf(ticket: string): string {
    return `cas-auth#${this.#fingerprint}#${ticket}`;
  }
}
