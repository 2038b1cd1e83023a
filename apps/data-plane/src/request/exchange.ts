import type { HeaderList, Peer } from '@polygate/plugin-sdk';

/**
 * One request as an HTTP engine hands it over, and the way to answer it. The only thing that the rest
 * of the data plane knows of the engine.
 */
export interface Exchange {
  readonly method: string;
  readonly target: string;
  readonly httpVersion: string;
  readonly scheme: 'http' | 'https';
  readonly headers: HeaderList;
  readonly client: Peer;
  readonly server: Peer;
  readonly body: RequestBody;
  /** Called once, when the client goes away before the answer is complete. */
  onAbort(listener: () => void): void;
  /** Status and headers. Without Content-Length the engine chooses the framing. */
  sendHead(status: number, headers: HeaderList): void;
  /** False: hold back until `onDrain`. */
  sendChunk(chunk: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  end(): void;
  /** Cuts the connection: the answer cannot be completed. */
  destroy(): void;
  /** Bytes written for this answer so far, head included. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface RequestBody {
  /** Whether the request has one, possibly of length 0. */
  readonly present: boolean;
  /** From Content-Length; undefined when chunked. */
  readonly length: number | undefined;
  /** Buffers everything. Rejects with REQUEST_BODY_TOO_LARGE past `bytesMax`. */
  readAll(bytesMax: number): Promise<Buffer>;
  /** Streams. `write` answers false to pause the source until it calls `resume`. */
  stream(sink: BodySink): void;
}

export interface BodySink {
  write(chunk: Buffer, resume: () => void): boolean;
  end(): void;
  /** The client went away or lied about the length. */
  fail(error: Error): void;
}
