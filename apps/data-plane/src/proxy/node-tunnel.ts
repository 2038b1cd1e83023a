import type { Socket } from 'node:net';
import type { BodySink, Tunnel } from '../request/exchange.ts';
import { resumeReading } from '../sockets/byte-socket.ts';
import type { SocketWriter } from '../sockets/socket-writer.ts';

export interface NodeTunnelParts {
  readonly socket: Socket;
  readonly writer: SocketWriter;
  /** What came behind the head of the 101. */
  readonly rest: Buffer;
  /** To be called at every sign of life. */
  readonly live: () => void;
}

/** A node's side of a connection that switched protocols. */
export class NodeTunnel implements Tunnel {
  readonly #parts: NodeTunnelParts;
  #sink: BodySink | undefined = undefined;
  #drained: () => void = () => undefined;

  constructor(parts: NodeTunnelParts) {
    this.#parts = parts;
    parts.live();
  }

  // ---- from the connection

  onBytes(bytes: Buffer): boolean {
    this.#parts.live();
    return this.#sink?.write(Buffer.from(bytes)) ?? true;
  }

  onEnd(): void {
    this.#sink?.end();
  }

  onClose(cause: Error | undefined): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.fail(cause ?? new Error('connection closed'));
  }

  drained(): void {
    this.#drained();
  }

  // ---- from the other side

  stream(sink: BodySink): void {
    const { rest } = this.#parts;
    this.#sink = sink;
    if (rest.length > 0) sink.write(rest);
  }

  resume(): void {
    resumeReading(this.#parts.socket);
  }

  write(chunk: Buffer): boolean {
    const { writer, live } = this.#parts;
    live();
    const isTaken = writer.writeBytes(chunk);
    writer.flush();
    return isTaken;
  }

  onDrain(listener: () => void): void {
    this.#drained = listener;
  }

  end(): void {
    this.#parts.writer.flush();
    this.#parts.socket.end();
  }

  destroy(): void {
    this.#parts.socket.destroy();
  }
}
