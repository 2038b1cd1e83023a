import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { LdapConnection, LdapConnectionError } from './ldap-connection.ts';
import { describeResult, LDAP_SUCCESS } from './ldap-messages.ts';

export interface LdapServer {
  readonly host: string;
  readonly port: number;
  /** `tls`: from the first byte; `starttls`: a connection in the clear is changed over. */
  readonly security: 'none' | 'tls' | 'starttls';
  readonly verifyTls: boolean;
}

/** Rejects with the reason of `signal`, the socket's error or an LdapConnectionError. */
export async function connectLdap(
  server: LdapServer,
  signal: AbortSignal,
): Promise<LdapConnection> {
  const { host, port, security } = server;
  if (security === 'tls') {
    return new LdapConnection(await secured(server, undefined, signal));
  }
  const socket = connectTcp({ host, port, noDelay: true });
  const plain = new LdapConnection(await opened(socket, 'connect', signal));
  if (security === 'none') return plain;
  const result = await plain.startTls(signal);
  if (result.code !== LDAP_SUCCESS) {
    plain.close();
    throw new LdapConnectionError(describeResult('STARTTLS', result));
  }
  return new LdapConnection(await secured(server, plain.detach(), signal));
}

function secured(
  { host, port, verifyTls }: LdapServer,
  socket: Socket | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const name = isIP(host) === 0 ? { servername: host } : { host };
  const transport = socket === undefined ? { host, port } : { socket };
  const options = { ...name, ...transport, rejectUnauthorized: verifyTls };
  return opened(connectTls(options), 'secureConnect', signal);
}

async function opened(socket: Socket, event: string, signal: AbortSignal): Promise<Socket> {
  // `once` hears the first error only, and one without a listener would end the process
  socket.on('error', () => undefined);
  try {
    await once(socket, event, { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  }
}
