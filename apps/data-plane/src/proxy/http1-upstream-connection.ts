import type { Socket } from 'node:net';
import { GatewayError } from '@polygate/plugin-sdk';
import type { GatewayErrorCode } from '@polygate/plugin-sdk';
import { ChunkedDecoder, TRAILER_LIMITS } from '../http1/chunked-decoder.ts';
import { ResponseHeadParser } from '../http1/head-parser.ts';
import { Http1Error } from '../http1/http1-error.ts';
import { NameError } from '../dns/name-error.ts';
import { listen, resumeReading } from '../sockets/byte-socket.ts';
import type { ByteReceiver } from '../sockets/byte-socket.ts';
import type { Deadlines, Expiring } from '../sockets/deadlines.ts';
import { SocketWriter } from '../sockets/socket-writer.ts';
import { dropHopByHop } from './hop-by-hop.ts';
import type { Http1Call } from './http1-call.ts';
import { NodeTunnel } from './node-tunnel.ts';

/** Answers before an answer: they are not held back for a client that does not read. */
const INFORMATIONAL_MAX = 32;
export interface UpstreamConnectionOptions {
  readonly deadlines: Deadlines;
  readonly headLimits: ConstructorParameters<typeof ResponseHeadParser>[0];
}

/** Who keeps connections that have nothing to do. */
export interface ConnectionOwner {
  /** True: kept. False: to be closed. */
  keep(connection: Http1UpstreamConnection): boolean;
  /** It is closed. */
  forget(connection: Http1UpstreamConnection): void;
}

type State = 'connecting' | 'idle' | 'head' | 'length' | 'chunked' | 'close' | 'tunnel' | 'closed';

/** A connection to a node: one call after another. */
export class Http1UpstreamConnection implements ByteReceiver, Expiring {
  readonly writer: SocketWriter;
  deadlineMs = Infinity;
  /** Calls begun. */
  calls = 0;
  bytesReceived = 0;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #deadlines: Deadlines;
  readonly #parser: ResponseHeadParser;
  #decoder: ChunkedDecoder | undefined = undefined;
  #state: State = 'connecting';
  #call: Http1Call | undefined = undefined;
  #bytesLeft = 0;
  #informational = 0;
  /** What was read but waits for `resume`: in the connection's own buffer, which is not read into. */
  #buffer: Buffer | undefined = undefined;
  #position = 0;
  #end = 0;
  #isPaused = false;
  /** The end came while paused. */
  #hasEnded = false;
  readonly #isTls: boolean;
  #isProcessing = false;
  #tunnel: NodeTunnel | undefined = undefined;

  /** `socket` is made with `readOptions`, and connecting. `connectedEvent` says when it is usable. */
  constructor(
    socket: Socket,
    connectedEvent: 'connect' | 'secureConnect',
    owner: ConnectionOwner,
    options: UpstreamConnectionOptions,
  ) {
    this.#socket = socket;
    this.#isTls = connectedEvent === 'secureConnect';
    this.#owner = owner;
    this.#deadlines = options.deadlines;
    this.#parser = new ResponseHeadParser(options.headLimits);
    listen(socket, this);
    socket.setNoDelay(true);
    this.writer = new SocketWriter(socket, () => this.#onDrained());
    socket.once(connectedEvent, () => this.#onConnected());
    options.deadlines.add(this);
  }

  get isUsable(): boolean {
    return this.#state === 'idle' && this.#socket.writable;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get isReused(): boolean {
    return this.calls > 1;
  }

  /** Sends the call's request, at once or when connected. */
  begin(call: Http1Call): void {
    this.#call = call;
    this.calls += 1;
    this.#informational = 0;
    if (this.#state === 'connecting') {
      call.connecting();
      this.limit(call.request.timeoutsMs.connect);
      return;
    }
    this.#send(call);
  }

  #onConnected(): void {
    if (this.#state === 'connecting' && this.#call !== undefined) this.#send(this.#call);
  }

  #send(call: Http1Call): void {
    this.#state = 'head';
    this.limit(call.request.timeoutsMs.read);
    try {
      call.sendRequest();
    } catch (error) {
      // A plugin made a name or a value of it that would break out of its line.
      this.fail('PLUGIN_FAILED', error instanceof Error ? error.message : String(error));
    }
  }

  limit(ms: number): void {
    this.deadlineMs = this.#deadlines.nowMs + ms;
  }

  // ---- bytes in

  onBytes(buffer: Buffer, length: number): boolean {
    const call = this.#call;
    this.bytesReceived += length;
    if (this.#tunnel !== undefined) return this.#tunnel.onBytes(buffer.subarray(0, length));
    if (call === undefined) {
      // A node that speaks without being asked: whatever it says would be taken for an answer.
      this.destroy();
      return false;
    }
    if (this.#isTls) this.#takeDecrypted(buffer.subarray(0, length));
    else this.#take(buffer, length);
    if (!this.#isPaused) this.#process(call);
    return !this.#isPaused;
  }

  #take(buffer: Buffer, length: number): void {
    this.#buffer = buffer;
    this.#position = 0;
    this.#end = length;
  }

  /** TLS hands on all that it has decrypted, paused or not, and writes the next to the same memory. */
  #takeDecrypted(bytes: Buffer): void {
    const rest = this.#isPaused ? this.#buffer?.subarray(this.#position, this.#end) : undefined;
    const own = rest === undefined ? Buffer.from(bytes) : Buffer.concat([rest, bytes]);
    this.#take(own, own.length);
  }

  #process(call: Http1Call): void {
    this.#isProcessing = true;
    try {
      while (this.#position < this.#end && !this.#isPaused && this.#call === call) {
        this.#step(call);
      }
    } catch (error) {
      this.fail('UPSTREAM_PROTOCOL', error instanceof Http1Error ? error.message : String(error));
    }
    this.#isProcessing = false;
    if (this.#call === call) {
      this.deadlineMs = Infinity;
      if (!this.#isPaused) this.limit(call.request.timeoutsMs.read);
    }
  }

  #step(call: Http1Call): void {
    const buffer = this.#buffer as Buffer;
    switch (this.#state) {
      case 'head': {
        const next = this.#parser.parse(buffer, this.#position, this.#end);
        this.#position = next === -1 ? this.#end : next;
        if (next !== -1) this.#onHead(call);
        return;
      }
      case 'length': {
        const taken = Math.min(this.#end - this.#position, this.#bytesLeft);
        const chunk = buffer.subarray(this.#position, this.#position + taken);
        this.#bytesLeft -= taken;
        this.#position += taken;
        this.#isPaused = !call.receiver.onChunk(chunk);
        if (this.#bytesLeft > 0 || this.#isPaused || this.#call !== call) return;
        this.#complete(call);
        return;
      }
      case 'close': {
        const chunk = buffer.subarray(this.#position, this.#end);
        this.#position = this.#end;
        this.#isPaused = !call.receiver.onChunk(chunk);
        return;
      }
      case 'chunked': {
        const decoder = this.#decoder as ChunkedDecoder;
        const next = decoder.decode(buffer, this.#position, this.#end, this);
        if (next === -2) this.#position = decoder.position;
        else this.#position = next === -1 ? this.#end : next;
        if (next >= 0) this.#complete(call);
        return;
      }
      default:
        throw new Http1Error(502, `bytes in state ${this.#state}`);
    }
  }

  /** From the decoder. */
  onBodyBytes(buffer: Buffer, from: number, to: number): boolean {
    const call = this.#call;
    if (call === undefined) return false;
    this.#isPaused = !call.receiver.onChunk(buffer.subarray(from, to));
    return !this.#isPaused && this.#call === call;
  }

  #onHead(call: Http1Call): void {
    const parser = this.#parser;
    const { status, headers } = parser;
    if (status < 200) {
      this.#onInformational(call);
      return;
    }
    call.isHeadReceived = true;
    if (parser.hasHopByHop) dropHopByHop(headers);
    const { method } = call.request;
    const isBodiless = method === 'HEAD' || status === 204 || status === 304;
    if (isBodiless || parser.contentLength === 0) {
      call.receiver.onHead(status, headers, true);
      if (this.#call === call) this.#complete(call);
      return;
    }
    if (parser.isChunked) {
      this.#decoder ??= new ChunkedDecoder(TRAILER_LIMITS);
      this.#decoder.reset();
      this.#state = 'chunked';
    } else if (parser.contentLength > 0) {
      this.#bytesLeft = parser.contentLength;
      this.#state = 'length';
    } else {
      this.#state = 'close';
    }
    call.receiver.onHead(status, headers, false);
  }

  #onInformational(call: Http1Call): void {
    const { status, headers, upgrade } = this.#parser;
    if (status === 101) {
      if (call.request.upgrade === undefined || upgrade === undefined) {
        throw new Http1Error(502, 'switched protocols without being asked');
      }
      call.isHeadReceived = true;
      dropHopByHop(headers);
      this.#state = 'tunnel';
      this.deadlineMs = Infinity;
      this.#call = undefined;
      const rest = Buffer.from((this.#buffer as Buffer).subarray(this.#position, this.#end));
      const idleMs = call.request.timeoutsMs.read;
      const live = (): void => this.limit(idleMs);
      this.#tunnel = new NodeTunnel({ socket: this.#socket, writer: this.writer, rest, live });
      call.receiver.onTunnel(headers, this.#tunnel);
      return;
    }
    this.#informational += 1;
    if (this.#informational > INFORMATIONAL_MAX) throw new Http1Error(502, 'no end of 1xx');
    if (this.#parser.hasHopByHop) dropHopByHop(headers);
    this.#parser.reset();
    if (status !== 100) call.receiver.onInformational(status, headers);
  }

  /** The answer is whole. */
  #complete(call: Http1Call): void {
    const parser = this.#parser;
    const isClean = this.#position === this.#end;
    const staysOpen = parser.keepAlive && this.#state !== 'close' && call.request.closes !== true;
    const mayKeep = staysOpen && call.isRequestSent && isClean;
    const trailers = this.#state === 'chunked' ? this.#decoder?.trailers : undefined;
    this.#call = undefined;
    this.#buffer = undefined;
    parser.reset();
    call.detach();
    this.#state = 'idle';
    this.deadlineMs = Infinity;
    if (!mayKeep || !this.#owner.keep(this)) this.destroy();
    call.receiver.onEnd(trailers);
  }

  /** The receiver takes more. */
  resume(call: Http1Call): void {
    if (!this.#isPaused || this.#call !== call) return;
    this.#isPaused = false;
    if (this.#isProcessing) return;
    if (this.#state === 'length' && this.#bytesLeft === 0) this.#complete(call);
    else this.#process(call);
    if (this.#isPaused || this.#state === 'closed') return;
    resumeReading(this.#socket);
    if (this.#hasEnded && this.#call === call) this.onEnd();
  }

  // ---- ends

  onEnd(): void {
    const call = this.#call;
    if (this.#isPaused && call !== undefined) {
      this.#hasEnded = true;
    } else if (this.#tunnel !== undefined) {
      this.#tunnel.onEnd();
    } else if (call !== undefined && this.#state === 'close') {
      this.#complete(call);
    } else {
      this.#lost(undefined);
    }
  }

  onClose(cause: Error | undefined): void {
    this.#deadlines.delete(this);
    this.#lost(cause);
    this.#state = 'closed';
    this.#tunnel?.onClose(cause);
    this.#owner.forget(this);
  }

  /** The node hung up, or never was there. */
  #lost(cause: Error | undefined): void {
    const call = this.#call;
    if (call === undefined) {
      if (this.#state !== 'tunnel') this.#socket.destroy();
      return;
    }
    const why = cause?.message ?? 'connection closed';
    if (this.#state !== 'connecting') this.fail('UPSTREAM_PROTOCOL', why, cause);
    // as in APISIX, that is a node less
    else if (cause instanceof NameError) this.fail('UPSTREAM_UNRESOLVED', why, cause);
    else this.fail('UPSTREAM_CONNECT_FAILED', why, cause);
  }

  onDeadline(): void {
    const call = this.#call;
    if (call === undefined) {
      this.destroy();
      return;
    }
    const { connect, send, read } = call.request.timeoutsMs;
    if (this.#state === 'connecting') {
      this.fail('UPSTREAM_CONNECT_TIMEOUT', `no connection after ${connect} ms`);
    } else if (this.writer.isBlocked) {
      if (this.writer.hasProgressed()) this.limit(send);
      else this.fail('UPSTREAM_SEND_TIMEOUT', `took no byte for ${send} ms`);
    } else if (call.isRequestSent || call.isHeadReceived) {
      this.fail('UPSTREAM_READ_TIMEOUT', `sent no byte for ${read} ms`);
    }
  }

  /** To be called when the node does not take what the call sends. */
  blocked(call: Http1Call): void {
    this.writer.hasProgressed();
    this.limit(call.request.timeoutsMs.send);
  }

  #onDrained(): void {
    const call = this.#call;
    if (call === undefined) {
      this.#tunnel?.drained();
      return;
    }
    this.limit(call.request.timeoutsMs.read);
    call.drained();
  }

  fail(code: GatewayErrorCode, text: string, cause?: Error): void {
    const call = this.#call;
    this.#call = undefined;
    this.#buffer = undefined;
    if (call !== undefined) {
      call.detach();
      const error = new GatewayError(code, `${call.request.node.label}: ${text}`, { cause });
      const wasConnected = this.#state !== 'connecting';
      this.destroy();
      call.failed(error, wasConnected, this);
    } else {
      this.destroy();
    }
  }

  /** The call ends here; so does the connection, for half an answer may be on its way. */
  abandon(call: Http1Call): void {
    if (this.#call !== call) return;
    this.#call = undefined;
    this.#buffer = undefined;
    call.detach();
    this.destroy();
  }

  destroy(): void {
    if (this.#state !== 'tunnel') this.#state = 'closed';
    this.#socket.destroy();
  }
}
