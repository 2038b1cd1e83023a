import type { HeaderList } from '@polygate/plugin-sdk';
import type { BodySink } from '../request/exchange.ts';
import type { CompiledNode, CompiledUpstream, TimeoutsMs } from '../upstream/compiled-upstream.ts';

/** One try at one node. */
export interface UpstreamRequest {
  readonly upstream: CompiledUpstream;
  readonly node: CompiledNode;
  readonly method: string;
  /** Path and query as they go on the wire. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly timeoutsMs: TimeoutsMs;
  /** Undefined: none. */
  readonly body: Buffer | ((sink: BodySink) => void) | undefined;
  readonly signal: AbortSignal;
}

export interface UpstreamResponse {
  readonly status: number;
  readonly headers: HeaderList;
  /** Streams the body. To be called once, or `discard`. */
  stream(sink: BodySink): void;
  discard(): void;
}

/** How an attempt ended without a response head. */
export interface UpstreamFailure {
  readonly error: Error;
  /** Nothing of the request's body has been taken, and no byte was answered. */
  readonly bodyUntouched: boolean;
  /** The node was never reached, so that even a request that changes things may go elsewhere. */
  readonly neverSent: boolean;
}

/** Sends requests to nodes over pooled connections. The engine beneath can be exchanged. */
export interface UpstreamTransport {
  send(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFailure>;
  close(): void;
}

export function isFailure(result: UpstreamResponse | UpstreamFailure): result is UpstreamFailure {
  return 'error' in result;
}
