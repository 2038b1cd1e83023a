// Test only: what loggers send to, and the way a request takes to it.
import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { mountPlugin, validConf, type MountedPlugin, type PluginRequest } from '@polygate/testing';
import type { Plugin, PluginEnvironment } from '@polygate/plugin-sdk';

/** A server of TCP, TLS or UDP on a free port of 127.0.0.1. */
export interface LogReceiver {
  readonly port: number;
  /** One of each connection that ended, or of each datagram. */
  readonly messages: readonly string[];
  close(): Promise<void>;
}

export async function receiveTcp(
  tls?: { readonly key: string; readonly cert: string },
  onServerName?: (name: string | false) => void,
): Promise<LogReceiver> {
  const messages: string[] = [];
  const take = (socket: NodeJS.ReadableStream): void => {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('end', () => messages.push(text));
    socket.on('error', () => undefined);
  };
  const server: Server =
    tls === undefined
      ? createServer(take)
      : createTlsServer(tls, (socket) => {
          onServerName?.(socket.servername as string | false);
          take(socket);
        });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    messages,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

export async function receiveUdp(): Promise<LogReceiver> {
  const messages: string[] = [];
  const socket = createSocket('udp4', (datagram) => void messages.push(datagram.toString()));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    port: socket.address().port,
    messages,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** Prepares a logger, sends requests through it, and lets go of it, so that all of them are sent. */
export async function logRequests<Conf, Prepared>(
  plugin: Plugin<Conf, Prepared>,
  raw: object,
  { requests = [{}], env = {} }: LoggedRequests = {},
): Promise<MountedPlugin> {
  const mounted = mountPlugin(plugin, validConf(plugin.definition, raw), env);
  for (const request of requests) await mounted.request(request);
  mounted.dispose();
  return mounted;
}

export interface LoggedRequests {
  readonly requests?: readonly PluginRequest[];
  readonly env?: Partial<PluginEnvironment>;
}
