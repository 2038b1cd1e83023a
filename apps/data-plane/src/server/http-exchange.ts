import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { GatewayError, HeaderList } from '@polygate/plugin-sdk';
import type { Peer } from '@polygate/plugin-sdk';
import type { BodySink, Exchange, RequestBody } from '../request/exchange.ts';
import { statusText } from './local-answer.ts';

/** An exchange over node:http. */
export class HttpExchange implements Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly headers: HeaderList;
  readonly client: Peer;
  readonly server: Peer;
  readonly body: RequestBody;
  readonly #bytesBefore: { readonly written: number; readonly read: number };

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    this.headers = HeaderList.fromRaw(request.rawHeaders);
    const { socket } = request;
    this.client = {
      address: plainAddress(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    };
    this.server = { address: plainAddress(socket.localAddress ?? ''), port: socket.localPort ?? 0 };
    this.body = new HttpRequestBody(request);
    this.#bytesBefore = { written: socket.bytesWritten, read: socket.bytesRead };
  }

  get method(): string {
    return this.#request.method ?? 'GET';
  }

  get target(): string {
    return this.#request.url ?? '/';
  }

  get httpVersion(): string {
    return this.#request.httpVersion;
  }

  get scheme(): 'http' | 'https' {
    return (this.#request.socket as TLSSocket).encrypted ? 'https' : 'http';
  }

  get bytesSent(): number {
    return this.#request.socket.bytesWritten - this.#bytesBefore.written;
  }

  get bytesReceived(): number {
    return this.#request.socket.bytesRead - this.#bytesBefore.read;
  }

  onAbort(listener: () => void): void {
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) listener();
    });
  }

  sendHead(status: number, headers: HeaderList): void {
    if (this.#response.destroyed) return;
    this.#response.sendDate = !headers.has('date');
    this.#response.writeHead(status, statusText(status), headers.toRaw());
    // The head goes out with the first chunk where that follows at once; a streamed answer (SSE) must
    // not wait for its first event.
    setImmediate(() => {
      if (!this.#response.writableEnded && !this.#response.destroyed) this.#response.flushHeaders();
    });
  }

  sendChunk(chunk: Uint8Array): boolean {
    return this.#response.destroyed || this.#response.write(chunk);
  }

  onDrain(listener: () => void): void {
    this.#response.once('drain', listener);
  }

  end(): void {
    if (!this.#response.destroyed) this.#response.end();
  }

  destroy(): void {
    this.#request.socket.destroy();
  }
}

class HttpRequestBody implements RequestBody {
  readonly #request: IncomingMessage;
  readonly present: boolean;
  readonly length: number | undefined;

  constructor(request: IncomingMessage) {
    this.#request = request;
    const length = request.headers['content-length'];
    this.length = length === undefined ? undefined : Number(length);
    this.present = length !== undefined || request.headers['transfer-encoding'] !== undefined;
  }

  readAll(bytesMax: number): Promise<Buffer> {
    const tooLarge = (): GatewayError =>
      new GatewayError('REQUEST_BODY_TOO_LARGE', `request body is over ${bytesMax} bytes`);
    if (this.length !== undefined && this.length > bytesMax) return Promise.reject(tooLarge());
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      this.stream({
        write: (chunk) => {
          size += chunk.length;
          if (size <= bytesMax) {
            chunks.push(chunk);
            return true;
          }
          reject(tooLarge());
          return false;
        },
        end: () => resolve(Buffer.concat(chunks, size)),
        fail: reject,
      });
    });
  }

  stream(sink: BodySink): void {
    const request = this.#request;
    const resume = (): void => void request.resume();
    request.on('data', (chunk: Buffer) => {
      if (!sink.write(chunk, resume)) request.pause();
    });
    request.once('end', () => sink.end());
    request.once('error', (cause) => sink.fail(aborted(cause)));
    request.once('aborted', () => sink.fail(aborted()));
  }
}

function aborted(cause?: unknown): GatewayError {
  return new GatewayError('REQUEST_ABORTED', 'the client went away during its request', { cause });
}

/** Node shows IPv4 clients of a dual-stack listener as `::ffff:1.2.3.4`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
