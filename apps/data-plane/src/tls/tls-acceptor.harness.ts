import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { SslResource } from '@polygate/model';
import { memoryLog } from '@polygate/testing';
import { CertificateTable } from './certificate-table.ts';
import { compileSsl } from './certificate.ts';
import { createTlsAcceptor } from './tls-acceptor.ts';
import type { SecureConnection, TlsAcceptor, TlsAcceptorOptions } from './tls-acceptor.ts';
import { DEFAULT_TLS_SETTINGS } from './tls-settings.ts';
import type { TlsSettings } from './tls-settings.ts';

/** The written part of an `ssls` object; the rest are defaults. */
export type WrittenSsl = Partial<SslResource> & Pick<SslResource, 'cert' | 'key'>;

export interface EchoServer {
  readonly port: number;
  readonly acceptor: TlsAcceptor;
  readonly log: ReturnType<typeof memoryLog>;
  /** Of handshakes that succeeded, in order. */
  readonly connections: SecureConnection[];
  /** From now on. */
  serve(ssls: readonly WrittenSsl[]): void;
  connect(options?: ConnectionOptions): TLSSocket;
  stop(): Promise<void>;
}

export interface EchoServerOptions {
  readonly settings?: Partial<TlsSettings>;
  readonly acceptor?: Partial<TlsAcceptorOptions>;
}

/** A server that ends TLS with the acceptor, on sockets as the listeners hand them over, and echoes. */
export async function startEchoServer(
  ssls: readonly WrittenSsl[],
  { settings: someSettings, acceptor: someOptions }: EchoServerOptions = {},
): Promise<EchoServer> {
  const settings = { ...DEFAULT_TLS_SETTINGS, ...someSettings };
  const log = memoryLog();
  const connections: SecureConnection[] = [];
  const sockets = new Set<Socket>();
  let table = compileTable(ssls, settings);
  const acceptor = createTlsAcceptor({
    certificates: () => table,
    log,
    handshakeTimeoutMs: 10_000,
    handshakesPendingMax: 100,
    ...someOptions,
  });
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    acceptor.accept(socket, (secure) => {
      connections.push(secure);
      secure.socket.on('error', () => undefined);
      secure.socket.on('data', (chunk) => void secure.socket.write(chunk));
      secure.socket.on('end', () => secure.socket.end());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    acceptor,
    log,
    connections,
    serve: (next) => void (table = compileTable(next, settings)),
    connect: (options) => {
      const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
      client.on('error', () => undefined);
      return client;
    },
    async stop() {
      acceptor.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function compileTable(ssls: readonly WrittenSsl[], settings: TlsSettings): CertificateTable {
  const compiled = ssls.map((written, i) =>
    compileSsl(
      { id: String(i + 1), createdIndex: i, value: { type: 'server', status: 1, ...written } },
      settings,
    ),
  );
  return new CertificateTable(compiled, settings.fallbackServerName);
}

/** Resolves when the handshake is through; rejects with what ended it. */
export function secured(client: TLSSocket): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    client.once('secureConnect', () => resolve(client));
    client.once('error', reject);
    client.once('close', () => reject(new Error('closed')));
  });
}

/** What comes back for the text, which shows that the server goes on with the connection. */
export function echo(client: TLSSocket, text = 'ping'): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    client.on('data', (chunk: Buffer) => {
      got += chunk.toString();
      if (got.length >= text.length) resolve(got);
    });
    client.once('error', reject);
    client.once('close', () => reject(new Error('closed')));
    client.write(text);
  });
}

/** `open`, or what kept the connection from being used: `alert <number>`, or an error's code. */
export async function outcomeOf(client: TLSSocket): Promise<string> {
  try {
    await echo(client);
    return 'open';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const alert = /SSL alert number (\d+)/.exec(message)?.[1];
    return alert === undefined ? (code ?? message) : `alert ${alert}`;
  } finally {
    client.destroy();
  }
}
