import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a node does to the requests that it gets. */
export type Mood =
  | 'well'
  /** Its port is closed. */
  | 'dead'
  /** Takes requests and says nothing. */
  | 'hanging'
  /** Resets in the middle of the answer's head. */
  | 'resetting-head'
  /** Resets in the middle of the answer's body. */
  | 'resetting-body';

export const BODY_BYTES = 64 * 1024;

/** A node whose answers can be told to be right: each repeats the path that was asked for. */
export class ChaosNode {
  port = 0;
  mood: Mood = 'well';
  requests = 0;
  #server: http.Server | undefined;

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    const server = http.createServer((request, response) => {
      this.requests += 1;
      request.resume();
      this.#answer(request, response);
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject).listen(this.port, '127.0.0.1', resolve);
    await promise;
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    server.closeAllConnections();
    await promise;
  }

  async become(mood: Mood): Promise<void> {
    if (mood === 'dead') await this.stop();
    else if (this.#server === undefined) await this.start();
    this.mood = mood;
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const socket = request.socket;
    const isProbe = request.url === '/probe';
    if (this.mood === 'hanging') return;
    if (this.mood === 'resetting-head') {
      socket.write('HTTP/1.1 200 OK\r\nContent-Le', () => void socket.resetAndDestroy());
    } else if (this.mood === 'resetting-body') {
      // the probe has to see that it is ill
      if (isProbe) {
        response.writeHead(500).end();
        return;
      }
      response.writeHead(200, { 'Content-Length': BODY_BYTES });
      response.write(Buffer.alloc(BODY_BYTES / 2, 'x'), () => void socket.resetAndDestroy());
    } else {
      response.writeHead(200, { 'Content-Length': BODY_BYTES, 'X-Path': request.url ?? '' });
      response.end(Buffer.alloc(BODY_BYTES, 'x'));
    }
  }
}
