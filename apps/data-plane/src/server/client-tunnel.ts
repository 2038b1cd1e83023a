import type { BodySink, Tunnel } from '../request/exchange.ts';
import type { SocketWriter } from '../sockets/socket-writer.ts';

export interface TunnelledConnection {
  readonly writer: SocketWriter;
  /** From now on its bytes are the tunnel's. */
  startTunnel(tunnel: ClientTunnel): void;
  goOn(): void;
  blocked(): void;
  endWriting(): void;
  destroy(): void;
}

/** The client's side of a connection that switched protocols. */
export class ClientTunnel implements Tunnel {
  readonly #connection: TunnelledConnection;
  #sink: BodySink | undefined = undefined;
  #drained: () => void = () => undefined;

  constructor(connection: TunnelledConnection) {
    this.#connection = connection;
  }

  // ---- from the connection

  /** False: no more until `goOn`. The memory is the connection's. */
  onBytes(bytes: Buffer): boolean {
    return this.#sink?.write(Buffer.from(bytes)) ?? true;
  }

  onEnd(): void {
    this.#sink?.end();
  }

  onClose(error: Error): void {
    this.#sink?.fail(error);
  }

  drained(): void {
    this.#drained();
  }

  // ---- from the other side

  stream(sink: BodySink): void {
    this.#sink = sink;
    this.#connection.startTunnel(this);
  }

  resume(): void {
    this.#connection.goOn();
  }

  write(chunk: Buffer): boolean {
    const { writer } = this.#connection;
    const isTaken = writer.writeBytes(chunk);
    writer.flush();
    if (!isTaken) this.#connection.blocked();
    return isTaken;
  }

  onDrain(listener: () => void): void {
    this.#drained = listener;
  }

  end(): void {
    this.#connection.endWriting();
  }

  destroy(): void {
    this.#connection.destroy();
  }
}
