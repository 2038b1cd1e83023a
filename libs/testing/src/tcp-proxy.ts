import assert from 'node:assert';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Stands between a client and a server on loopback, to break what lies between them. */
export interface TcpProxy {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Ends all connections; new ones are accepted. */
  cut(): void;
  /** From now on swallows all bytes, in both directions, without ending anything. */
  silence(): void;
  /** Undoes `silence` for new connections; the swallowed bytes are lost. */
  restore(): void;
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1 and passes bytes on to `targetPort`. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let silent = false;
  let accepted = 0;
  const join = (from: Socket, to: Socket, muted: { value: boolean }) => {
    sockets.add(from);
    from.on('data', (bytes) => {
      muted.value ||= silent;
      if (!muted.value) to.write(bytes);
    });
    // An ended side ends the other; the error, if any, is the very thing the test asked for.
    from.on('error', () => undefined);
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer((client) => {
    accepted += 1;
    const upstream = connect(targetPort, '127.0.0.1');
    const muted = { value: silent };
    join(client, upstream, muted);
    join(upstream, client, muted);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    get accepted() {
      return accepted;
    },
    cut,
    silence() {
      silent = true;
    },
    restore() {
      silent = false;
    },
    async close() {
      cut();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
