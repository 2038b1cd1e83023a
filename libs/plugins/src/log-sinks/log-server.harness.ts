// Test only: what loggers send to, and the way a request takes to it.
import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect, vi } from 'vitest';
import { mountPlugin, validConf, type MountedPlugin, type PluginRequest } from '@polygate/testing';
import type { Plugin, PluginEnvironment } from '@polygate/plugin-sdk';

/** A wait for what has to come. */
export const LONG = { timeout: 10_000 };

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

/** The log_format of `socketMessages`. */
export const METHOD_FORMAT = { log_format: { m: '$request_method' } };

/** What comes of a batch of two requests, and then of a batch of one, at a server of messages. */
export async function socketMessages<Conf, Prepared>(
  plugin: Plugin<Conf, Prepared>,
  server: LogReceiver,
): Promise<readonly string[]> {
  const raw = { host: '127.0.0.1', port: server.port, ...METHOD_FORMAT };
  await logRequests(plugin, raw, { requests: [{}, { method: 'PUT' }] });
  await vi.waitFor(() => expect(server.messages).toHaveLength(1), LONG);
  await logRequests(plugin, { ...raw, batch_max_size: 1 });
  await vi.waitFor(() => expect(server.messages).toHaveLength(2), LONG);
  return server.messages;
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
