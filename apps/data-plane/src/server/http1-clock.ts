import type { Socket } from 'node:net';
import type { Deadlines, Expiring } from '../sockets/deadlines.ts';
import type { SocketWriter } from '../sockets/socket-writer.ts';
import type { ClientTimeoutsMs } from './http1-options.ts';

/** A client that has got its last answer may still be sending: that long it is read. */
const LINGER_MS = 2000;
/**
 * A client that says it sends no more, in the middle of a request, has mostly gone away altogether:
 * TCP cannot tell. One that half-closed gets what can be answered within this time.
 */
const HALF_CLOSED_MS = 1000;

/** What a connection waits for. */
export type Phase =
  /** a request */
  | 'idle'
  /** the rest of a head */
  | 'head'
  /** the rest of a body that somebody takes */
  | 'body'
  /** the rest of a body that nobody wants any more */
  | 'dropping'
  /** the gateway's answer */
  | 'answer'
  /** the client to close */
  | 'closing';

export interface ClockedConnection {
  readonly phase: Phase;
  /** The client was too slow with a head or a body: it is told so. */
  tooSlow(phase: 'head' | 'body'): void;
  destroy(): void;
}

/** How long one client may take. */
export class Http1Clock implements Expiring {
  deadlineMs = Infinity;
  readonly #connection: ClockedConnection;
  readonly #socket: Socket;
  readonly #writer: SocketWriter;
  readonly #timeoutsMs: ClientTimeoutsMs;
  readonly #deadlines: Deadlines;
  #requestDeadlineMs = Infinity;
  /** Half-closed although it never said that it would be the last request. */
  #isSuspect = false;
  #suspectBytes = 0;

  constructor(
    connection: ClockedConnection,
    socket: Socket,
    writer: SocketWriter,
    options: { readonly timeoutsMs: ClientTimeoutsMs; readonly deadlines: Deadlines },
  ) {
    this.#connection = connection;
    this.#socket = socket;
    this.#writer = writer;
    this.#timeoutsMs = options.timeoutsMs;
    this.#deadlines = options.deadlines;
    this.headBegun();
    options.deadlines.add(this);
  }

  stop(): void {
    this.#deadlines.delete(this);
  }

  /** Also before the first byte of the first one. */
  headBegun(): void {
    this.#limit(this.#timeoutsMs.header);
  }

  requestBegun(): void {
    this.deadlineMs = Infinity;
    this.#requestDeadlineMs = this.#deadlines.nowMs + this.#timeoutsMs.total;
  }

  requestEnded(): void {
    this.#requestDeadlineMs = Infinity;
  }

  tunnelBegun(): void {
    this.deadlineMs = Infinity;
  }

  lingers(): void {
    this.#limit(LINGER_MS);
  }

  /** The client does not take what is sent. */
  blocked(): void {
    this.#writer.hasProgressed();
    this.#limit(this.#timeoutsMs.send);
  }

  suspectGone(): void {
    this.#isSuspect = true;
    this.#suspectBytes = this.#writer.bytesWritten;
  }

  /** Something came, or went out: the time begins anew where it does for that phase. */
  live(): void {
    if (this.#writer.isBlocked) return;
    switch (this.#connection.phase) {
      case 'idle':
        this.#limit(this.#timeoutsMs.idle);
        break;
      case 'body':
        this.#limit(this.#isSuspect ? HALF_CLOSED_MS : this.#timeoutsMs.body);
        break;
      case 'answer':
        if (this.#isSuspect) this.#limit(HALF_CLOSED_MS);
        else this.deadlineMs = this.#requestDeadlineMs;
        break;
      case 'head':
      case 'dropping':
      case 'closing':
        break;
    }
  }

  onDeadline(): void {
    const connection = this.#connection;
    const { phase } = connection;
    if (this.#socket.writableLength > 0) {
      if (this.#writer.hasProgressed()) this.#limit(this.#timeoutsMs.send);
      else connection.destroy();
    } else if (phase === 'head') {
      connection.tooSlow(phase);
    } else if (phase !== 'body' && phase !== 'answer') {
      connection.destroy();
    } else if (this.#isSuspect) {
      this.#onSuspectDeadline();
    } else if (phase === 'body') {
      connection.tooSlow(phase);
    } else if (this.#deadlines.nowMs >= this.#requestDeadlineMs) {
      connection.destroy();
    }
  }

  /** What is sent to a client that is gone comes back as a reset: while something is, it is there. */
  #onSuspectDeadline(): void {
    const { bytesWritten } = this.#writer;
    if (bytesWritten === this.#suspectBytes) this.#connection.destroy();
    else this.#limit(HALF_CLOSED_MS);
    this.#suspectBytes = bytesWritten;
  }

  #limit(ms: number): void {
    this.deadlineMs = Math.min(this.#deadlines.nowMs + ms, this.#requestDeadlineMs);
  }
}
