import net from 'node:net';
import type { OnReadOpts, Socket, SocketConstructorOpts } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Peer } from '@polygate/plugin-sdk';
import { WAITING_BYTES_MAX } from './socket-writer.ts';

const READ_BUFFER_BYTES = 64 * 1024;

/** Hears what happens at a socket. */
export interface ByteReceiver {
  /** `buffer[0..length)` is valid during the call only. False: no more until `resumeReading`. */
  onBytes(buffer: Buffer, length: number): boolean;
  /** The other side sends no more; it may still read. */
  onEnd(): void;
  /** Last of all, once. */
  onClose(error: Error | undefined): void;
}

const RECEIVER = Symbol('receiver');
const FAILURE = Symbol('failure');

type ByteSocket = Socket & { [RECEIVER]: ByteReceiver; [FAILURE]?: Error };
type NativeHandle = { useUserBuffer?: unknown };
type SocketWithHandle = { _handle: NativeHandle | null };

/** One for all clients of this thread: what it holds is read or copied before the next read. */
let sharedBuffer: Buffer | undefined;

/**
 * Reads an accepted, paused socket. A plain one gets a new `Socket` around its handle that reads into
 * one shared buffer: no allocation and no stream event per read. That is not a documented way, so where
 * the handle looks different, or for TLS, the socket itself is read by 'data' events.
 */
export function readAccepted(socket: Socket, receiver: ByteReceiver): Socket {
  const holder = socket as unknown as SocketWithHandle;
  const handle = holder._handle;
  if (socket instanceof TLSSocket || typeof handle?.useUserBuffer !== 'function') {
    listen(socket, receiver);
    socket.on('data', onData);
    return socket;
  }
  holder._handle = null;
  socket.destroy();
  sharedBuffer ??= Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  const onread: OnReadOpts = { buffer: sharedBuffer, callback: onRead };
  const adopted = socketOf({ handle, allowHalfOpen: true, onread, ...STREAM_OPTIONS });
  listen(adopted, receiver);
  return adopted;
}

/**
 * The handle of a socket in another one, unread and paused; for node:http2, which reads handles
 * natively. To be read by 'data' events it is not: the handle has no memory for those any more.
 */
export function releaseSocket(socket: Socket): Socket {
  const holder = socket as unknown as SocketWithHandle;
  const handle = holder._handle;
  if (socket instanceof TLSSocket || handle === null) {
    for (const event of ['data', 'end', 'error', 'close', 'drain'])
      socket.removeAllListeners(event);
    socket.pause();
    return socket;
  }
  socket.pause();
  holder._handle = null;
  for (const event of ['data', 'end', 'error', 'close', 'drain']) socket.removeAllListeners(event);
  socket.destroy();
  return socketOf({ handle, allowHalfOpen: true, manualStart: true });
}

/** How `net.connect` and `tls.connect` read for a receiver, into a buffer of the connection's own. */
export function readOptions(): { onread: OnReadOpts; allowHalfOpen: boolean } {
  const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  return { onread: { buffer, callback: onRead }, allowHalfOpen: true };
}

/** To be called at once on a socket that was made with `readOptions`. */
export function listen(socket: Socket, receiver: ByteReceiver): void {
  (socket as ByteSocket)[RECEIVER] = receiver;
  socket.on('end', onEnd);
  socket.on('error', onError);
  socket.on('close', onClose);
}

/** Both ends, by address and port. */
export function peersOf(socket: Socket): { readonly client: Peer; readonly server: Peer } {
  return {
    client: { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
    server: { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 },
  };
}

/** Node shows IPv4 clients of a dual-stack listener as `::ffff:1.2.3.4`. */
function plainAddress(address = ''): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

export function pauseReading(socket: Socket): void {
  socket.pause();
}

export function resumeReading(socket: Socket): void {
  socket.resume();
}

/** A socket around a native handle: Node's own way for accepted connections, but not a public one. */
function socketOf(options: {
  readonly handle: NativeHandle;
  readonly allowHalfOpen: boolean;
  readonly onread?: OnReadOpts;
  readonly manualStart?: boolean;
  readonly writableHighWaterMark?: number;
}): Socket {
  return new net.Socket(options as unknown as SocketConstructorOpts);
}

const STREAM_OPTIONS = { writableHighWaterMark: WAITING_BYTES_MAX };

function onRead(this: unknown, length: number, buffer: Uint8Array): boolean {
  return (this as ByteSocket)[RECEIVER].onBytes(buffer as Buffer, length);
}

function onData(this: Socket, chunk: Buffer): void {
  if (!(this as ByteSocket)[RECEIVER].onBytes(chunk, chunk.length)) this.pause();
}

function onEnd(this: Socket): void {
  (this as ByteSocket)[RECEIVER].onEnd();
}

function onError(this: Socket, error: Error): void {
  (this as ByteSocket)[FAILURE] = error;
}

function onClose(this: Socket): void {
  const socket = this as ByteSocket;
  socket[RECEIVER].onClose(socket[FAILURE]);
}

/** A client's connection, as variables tell of it. */
export interface CountedConnection {
  readonly serial: number;
  requests: number;
  readonly startedMs: number;
}

let connections = 0;

/** With a number that no other connection of this thread has. */
export function countConnection(): CountedConnection {
  return { serial: ++connections, requests: 0, startedMs: performance.now() };
}
