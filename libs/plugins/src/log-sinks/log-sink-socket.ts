import { createSocket } from 'node:dgram';
import { connect, isIP, isIPv6, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { failureText } from './log-sink-failure.ts';

export interface StreamTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Certificates are verified only where that is asked for, as in APISIX. */
  readonly tls:
    { readonly serverName: string | undefined; readonly isVerified?: boolean } | undefined;
}

/**
 * Opens a connection, sends, and closes it. Rejects when that fails or takes too long; what was sent to
 * a server that then broke off is taken as lost.
 */
export function sendOverTcp(target: StreamTarget, data: string): Promise<void> {
  const { host, port, timeoutMs, tls } = target;
  const place = `TCP server: host[${host}] port[${port}] err: `;
  return new Promise((resolve, reject) => {
    let stage = `failed to connect to ${place}`;
    let isSent = false;
    const socket: Socket =
      tls === undefined
        ? connect({ host, port })
        : connectTls({
            host,
            port,
            rejectUnauthorized: tls.isVerified === true,
            ...(isServerName(tls.serverName) && { servername: tls.serverName }),
          });
    // one limit for all of it: a server that does not close gets no more than this
    const timer = setTimeout(() => {
      if (isSent) resolve();
      else reject(new Error(`${stage}timeout`));
      socket.destroy();
    }, timeoutMs);
    const send = (): void => {
      stage = `failed to send data to ${place}`;
      socket.end(data, () => (isSent = true));
    };
    socket.once('connect', () => {
      if (tls === undefined) send();
      else stage = `failed to perform TLS handshake to ${place}`;
    });
    socket.once('secureConnect', send);
    socket.on('error', (error) => reject(new Error(stage + failureText(error, host))));
    socket.once('close', () => {
      clearTimeout(timer);
      if (isSent) resolve();
      else reject(new Error(`${stage}closed`));
    });
    // a server's words are read away, or its end would never be seen
    socket.resume();
  });
}

/** TLS has no names for addresses. */
function isServerName(name: string | undefined): name is string {
  return name !== undefined && isIP(name) === 0;
}

/** Each as a datagram of its own. Rejects with the first that cannot be sent. */
export async function sendOverUdp(
  { host, port }: Pick<StreamTarget, 'host' | 'port'>,
  datagrams: readonly string[],
): Promise<void> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      // stays: a refusal of what was sent before would come as an event
      socket.on('error', reject);
      socket.connect(port, host, () => resolve());
    }).catch((error: Error) => {
      const place = `UDP server: host[${host}] port[${port}]`;
      throw new Error(`failed to connect to ${place} err: ${failureText(error, host)}`);
    });
    for (const datagram of datagrams) await sendDatagram(socket, datagram);
  } catch (error) {
    if (!(error instanceof DatagramError)) throw error;
    const place = `UDP server: host[${host}] port[${port}]`;
    throw new Error(`failed to send data to ${place} err:${failureText(error.cause, host)}`);
  } finally {
    socket.close();
  }
}

class DatagramError extends Error {
  override readonly cause: Error;

  constructor(cause: Error) {
    super(cause.message);
    this.name = 'DatagramError';
    this.cause = cause;
  }
}

function sendDatagram(socket: ReturnType<typeof createSocket>, datagram: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(datagram, (error) => {
      if (error === null) resolve();
      else reject(new DatagramError(error));
    });
  });
}
