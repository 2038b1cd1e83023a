import type { Socket } from 'node:net';
import { BER, berElement, berInteger } from './ber.ts';
import { readBerElement, readBerElements, readBerInteger, type BerElement } from './ber.ts';
import { bindRequest, LDAP, readEntryDn, readResult, searchRequest } from './ldap-messages.ts';
import { startTlsRequest, type LdapResult, type LdapSearch } from './ldap-messages.ts';

/** The server went away, or said what cannot be understood. */
export class LdapConnectionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LdapConnectionError';
  }
}

const MESSAGE_ID_MAX = 0x7fff_ffff;
/** More than any answer without attributes has to say. */
const MESSAGE_BYTES_MAX = 64 * 1024;
/** References to other servers, that are not followed. */
const REFERENCES_MAX = 64;
const EMPTY = Buffer.alloc(0);

interface Waiting {
  readonly messageId: number;
  /** Of messages before the last one of the answer. */
  readonly isPart: (tag: number) => boolean;
  readonly partsMax: number;
  readonly parts: BerElement[];
  readonly resolve: (messages: readonly BerElement[]) => void;
  readonly reject: (error: Error) => void;
}

/** What an operation of more than one message waits for. */
type Parts = Pick<Waiting, 'isPart' | 'partsMax'>;

const NO_PARTS: Parts = { isPart: () => false, partsMax: 0 };

/**
 * A connection to a directory, for one operation at a time. Operations reject with an
 * LdapConnectionError, or the reason of `signal`; the connection is closed then.
 */
export class LdapConnection {
  readonly #socket: Socket;
  #received: Buffer = EMPTY;
  #messageId = 0;
  #waiting: Waiting | undefined;
  #onClose: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#onData);
    socket.on('error', this.#onError);
    socket.on('close', this.#onSocketClose);
    socket.on('timeout', this.#onTimeout);
  }

  /**
   * Asks whether the password is that of the entry. An empty one is an anonymous bind, which a server
   * may grant to everybody: it is the caller's to refuse it.
   */
  async bind(dn: string, password: Buffer, signal: AbortSignal): Promise<LdapResult> {
    const messages = await this.#exchange(bindRequest(dn, password), signal, NO_PARTS);
    return this.#read(() => readResult(expectTag(messages.at(-1), LDAP.bindResponse)));
  }

  /** Names of the entries; with a result that is no success those that came before it. */
  async search(
    search: LdapSearch,
    signal: AbortSignal,
  ): Promise<{ readonly result: LdapResult; readonly dns: readonly string[] }> {
    const messages = await this.#exchange(searchRequest(search), signal, {
      isPart: (tag) => tag === LDAP.searchEntry || tag === LDAP.searchReference,
      partsMax: search.entriesMax + REFERENCES_MAX,
    });
    return this.#read(() => ({
      result: readResult(expectTag(messages.at(-1), LDAP.searchDone)),
      dns: messages.filter(({ tag }) => tag === LDAP.searchEntry).map(readEntryDn),
    }));
  }

  /** After a success the next byte is TLS's: see `detach`. */
  async startTls(signal: AbortSignal): Promise<LdapResult> {
    const messages = await this.#exchange(startTlsRequest(), signal, NO_PARTS);
    return this.#read(() => readResult(expectTag(messages.at(-1), LDAP.extendedResponse)));
  }

  /** The socket, which is no LDAP connection any more. */
  detach(): Socket {
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('error', this.#onError);
    socket.off('close', this.#onSocketClose);
    socket.off('timeout', this.#onTimeout);
    return socket;
  }

  /** No operation runs: it may wait for the next one, for `idleMs`. */
  idle(idleMs: number, onClose: () => void): void {
    this.#onClose = onClose;
    this.#socket.setTimeout(idleMs);
    this.#socket.unref();
  }

  /** False: it was closed meanwhile. */
  resume(): boolean {
    this.#onClose = undefined;
    this.#socket.setTimeout(0);
    this.#socket.ref();
    return !this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #exchange(
    operation: Buffer,
    signal: AbortSignal,
    parts: Parts,
  ): Promise<readonly BerElement[]> {
    signal.throwIfAborted();
    this.#messageId = (this.#messageId % MESSAGE_ID_MAX) + 1;
    const messageId = this.#messageId;
    const onAbort = () => this.#fail(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await new Promise<readonly BerElement[]>((resolve, reject) => {
        this.#waiting = { messageId, ...parts, parts: [], resolve, reject };
        this.#socket.write(berElement(BER.sequence, berInteger(messageId), operation));
        if (this.#socket.destroyed) this.#fail(new LdapConnectionError('connection closed'));
      });
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    try {
      while (this.#received.length > 0) {
        if (this.#received[0] !== BER.sequence) throw new RangeError('no LDAP message');
        const message = readBerElement(this.#received, 0, MESSAGE_BYTES_MAX);
        if (message === undefined) return;
        this.#received = this.#received.subarray(message.end);
        this.#take(message);
      }
    } catch (error) {
      this.#fail(new LdapConnectionError('answer that is not understood', { cause: error }));
    }
  };

  readonly #onError = (error: Error): void => this.#fail(new LdapConnectionError(error.message));

  readonly #onTimeout = (): void => this.close();

  readonly #onSocketClose = (): void => {
    this.#fail(new LdapConnectionError('connection closed'));
    this.#onClose?.();
  };

  #take({ contents }: BerElement): void {
    const [id, operation] = readBerElements(contents);
    const waiting = this.#waiting;
    // one that nobody asked for is the notice that the server closes the connection (RFC 4511, 4.4.1)
    if (id === undefined || operation === undefined || readBerInteger(id) !== waiting?.messageId) {
      throw new RangeError('message that was not asked for');
    }
    if (waiting.isPart(operation.tag)) {
      if (waiting.parts.length >= waiting.partsMax) throw new RangeError('too many messages');
      waiting.parts.push(operation);
      return;
    }
    if (this.#received.length > 0) throw new RangeError('message that was not asked for');
    this.#waiting = undefined;
    waiting.resolve([...waiting.parts, operation]);
  }

  #read<T>(parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      this.close();
      throw new LdapConnectionError('answer that is not understood', { cause: error });
    }
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.close();
    waiting?.reject(error);
  }
}

function expectTag(message: BerElement | undefined, tag: number): BerElement {
  if (message?.tag !== tag) throw new RangeError(`answer of type ${message?.tag}`);
  return message;
}
