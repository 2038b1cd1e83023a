import type { Socket } from 'node:net';
import type { Logger } from '@polygate/plugin-sdk';
import type { HeadLimits } from '../http1/head-parser.ts';
import type { Exchange } from '../request/exchange.ts';
import type { Deadlines } from '../sockets/deadlines.ts';

/** What all HTTP/1 connections of a worker have in common. */
export interface Http1Options {
  readonly serve: (exchange: Exchange) => void;
  /** A head that is no request was answered; the gateway proper never saw it. */
  readonly onRefused: (refusal: Refusal) => void;
  readonly log: Logger;
  readonly deadlines: Deadlines;
  readonly headLimits: HeadLimits;
  readonly timeoutsMs: ClientTimeoutsMs;
  /** Of a streamed request body; Infinity: no limit. */
  readonly bodyBytesMax: number;
  /** Requests after which a connection is closed. */
  readonly keepaliveRequestsMax: number;
  /** The Server header of refusals, and the name on their pages. */
  readonly productName: string;
  /** Takes over a connection whose client speaks HTTP/2 at once; undefined: refused. */
  readonly onHttp2: ((socket: Socket) => void) | undefined;
}

export interface ClientTimeoutsMs {
  /** A whole head, from its first byte. */
  readonly header: number;
  /** Between two reads of a body. */
  readonly body: number;
  /** Without a byte taken by the client. */
  readonly send: number;
  /** Between two requests. 0: no connection is kept. */
  readonly idle: number;
  /** A whole request and its answer; Infinity: no limit. */
  readonly total: number;
}

export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly clientAddress: string;
}
