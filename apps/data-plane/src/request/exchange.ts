import type { X509Certificate } from 'node:crypto';
import type { HeaderList, Peer } from '@polygate/plugin-sdk';

/**
 * One request as an HTTP engine hands it over, and the way to answer it. The only thing that the rest
 * of the data plane knows of the engine. Callbacks, not promises: a request costs no turn of the event
 * loop that nobody waits for.
 */
export interface Exchange {
  readonly method: string;
  readonly target: string;
  /** `1.0`, `1.1` or `2.0`. */
  readonly httpVersion: string;
  readonly scheme: 'http' | 'https';
  /** HTTP/2's `:authority` is here as `Host`. */
  readonly headers: HeaderList;
  readonly client: Peer;
  readonly server: Peer;
  /** Undefined: the client came in clear text. */
  readonly tls: TlsSession | undefined;
  readonly body: RequestBody;
  /** The protocol that the client wants to go on with (`websocket`); undefined: none. */
  readonly upgrade: string | undefined;
  /** To be called once, before anything is sent. */
  listen(listener: ExchangeListener): void;
  /** An answer before the answer, as 103. Nothing happens where the client's HTTP has none. */
  sendInformational(status: number, headers: HeaderList): void;
  /**
   * Status and headers, without hop-by-hop headers: framing is the engine's. Without Content-Length it
   * sends chunks, or closes at the end. `bodiless`: there will be no body, whatever the headers say.
   */
  sendHead(status: number, headers: HeaderList, bodiless?: boolean): void;
  /**
   * True: written or copied, the caller may reuse the memory. False: the memory stays the engine's
   * until `onClientDrained`, and no further chunk may be sent before.
   */
  sendChunk(chunk: Buffer): boolean;
  end(trailers?: HeaderList): void;
  /** After `sendHead(101)`: what follows are the other protocol's bytes. Only where `upgrade` is set. */
  openTunnel(): Tunnel;
  /** Cuts the connection (HTTP/2: the stream): the answer cannot be completed. */
  destroy(): void;
  /** Bytes written for this answer so far, head included. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Of the client's connection. */
  readonly connection?: ClientConnection;
}

export interface ClientConnection {
  /** No other one of this thread has it. */
  readonly serial: number;
  /** Requests that it has brought. */
  readonly requests: number;
  /** As of performance.now(). */
  readonly startedMs: number;
}

export interface ExchangeListener {
  /** Once, when the client goes away before the answer is complete. */
  onClientGone(): void;
  onClientDrained(): void;
}

/** What is known of a client's TLS connection. */
export interface TlsSession {
  /** From SNI; undefined when the client sent none. */
  readonly serverName: string | undefined;
  /** As `TLSv1.3`. */
  readonly protocol: string;
  readonly cipher: string;
  readonly isResumed: boolean;
  /** nginx's `$ssl_client_verify`: `NONE`, `SUCCESS` or `FAILED:reason`. */
  readonly clientVerify: string;
  clientCertificate(): X509Certificate | undefined;
}

export interface RequestBody {
  /** Whether the request has one, possibly of length 0. */
  readonly present: boolean;
  /** From Content-Length; undefined when chunked. */
  readonly length: number | undefined;
  /** All of it, where it arrived together with the head; it is then not streamed. */
  readonly complete: Buffer | undefined;
  /** Buffers everything. Rejects with REQUEST_BODY_TOO_LARGE past `bytesMax`. */
  readAll(bytesMax: number): Promise<Buffer>;
  /** To be called once. Not together with `readAll`. */
  stream(sink: BodySink): void;
  /** After `write` answered false. */
  resume(): void;
}

/** Takes a body that arrives piece by piece. */
export interface BodySink {
  /** The chunk is the sink's to keep. False pauses the source until `resume` is called there. */
  write(chunk: Buffer): boolean;
  end(trailers?: HeaderList): void;
  /** The sender went away or lied about the length. */
  fail(error: Error): void;
}

/** One side of a connection after it switched protocols: bytes both ways. */
export interface Tunnel {
  /** What comes from that side. To be called once. */
  stream(sink: BodySink): void;
  resume(): void;
  /** Copies nothing: the chunk is the tunnel's. False: hold back until `onDrain`. */
  write(chunk: Buffer): boolean;
  onDrain(listener: () => void): void;
  /** No more bytes will be written; the other direction goes on. */
  end(): void;
  destroy(): void;
}
