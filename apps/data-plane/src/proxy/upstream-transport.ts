import type { HeaderList } from '@polygate/plugin-sdk';
import type { RequestBody, Tunnel } from '../request/exchange.ts';
import type { CompiledNode, CompiledUpstream, TimeoutsMs } from '../upstream/compiled-upstream.ts';

/** One try at one node. */
export interface UpstreamRequest {
  readonly upstream: CompiledUpstream;
  readonly node: CompiledNode;
  readonly method: string;
  /** Path and query as they go on the wire. */
  readonly target: string;
  /** The Host header (`:authority`). */
  readonly host: string;
  /**
   * End-to-end headers, Host and framing excepted. Not to be changed: the next try sends them again.
   */
  readonly headers: HeaderList;
  readonly timeoutsMs: TimeoutsMs;
  /** Undefined: none. A Buffer can be sent again, a stream only while nothing of it was taken. */
  readonly body: Buffer | RequestBody | undefined;
  /** The protocol to switch to; undefined: none. */
  readonly upgrade: string | undefined;
  /** The node is asked to close behind its answer. HTTP/1.1 only. */
  readonly closes?: boolean;
}

/** Hears how a try goes. Exactly one of `onEnd`, `onFailure`, `onCut`, `onTunnel` comes last. */
export interface UpstreamReceiver {
  /** 1xx but 100 and 101. */
  onInformational(status: number, headers: HeaderList): void;
  /** Hop-by-hop headers are gone. `isComplete`: no body follows, `onEnd` comes at once. */
  onHead(status: number, headers: HeaderList, isComplete: boolean): void;
  /**
   * The chunk's memory is the transport's again when true is returned; after false, when `resume` is
   * called.
   */
  onChunk(chunk: Buffer): boolean;
  onEnd(trailers: HeaderList | undefined): void;
  /** Before any head. */
  onFailure(failure: UpstreamFailure): void;
  /** After the head: the answer cannot be completed. */
  onCut(error: Error): void;
  /** In place of `onHead`: the node switched protocols. */
  onTunnel(headers: HeaderList, tunnel: Tunnel): void;
}

/** How a try ended without a response head. */
export interface UpstreamFailure {
  readonly error: Error;
  /** Nothing of a streamed body has been taken. */
  readonly bodyUntouched: boolean;
  /** The node never saw the request, so that even one that changes things may go elsewhere. */
  readonly neverSent: boolean;
  /** A pooled connection was found dead: the node itself may be well. */
  readonly stale: boolean;
}

/** What one try did to its connection, while it lasts and after it. */
export interface CallTraffic {
  /** Milliseconds, handshakes included; 0 on a connection that was there. Undefined: there is none yet. */
  readonly connectTimeMs: number | undefined;
  /** Of the other end, while there is a connection; HTTP/1.1 only. */
  readonly remoteAddress?: string | undefined;
  /** Over HTTP/2 those of the bodies only: the rest of a connection belongs to all of its calls. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface UpstreamCall extends CallTraffic {
  /** After `onChunk` answered false. */
  resume(): void;
  /** The receiver hears no more. */
  cancel(): void;
}

/** Sends requests to nodes over pooled connections. */
export interface UpstreamTransport {
  /** Never throws; the receiver may be called before this returns. */
  send(request: UpstreamRequest, receiver: UpstreamReceiver): UpstreamCall;
  /** Idle connections close now, others when they are done. */
  close(): void;
}
