import * as http from 'node:http';
import * as https from 'node:https';
import type { RequestContext } from '@polygate/plugin-sdk';

export interface LoopbackRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string | undefined;
}

/** An answer to one of the requests, as it stands in the batch's answer. */
export interface LoopbackAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** A character a byte. Undefined: there is none. */
  readonly body?: string;
  readonly read_body_err?: string;
}

/** Of all answers together: the batch's answer is held in memory. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Sends requests to this gateway's own port, one after the other over one connection, as a client that
 * pipelines them would. They are requests like any other: routes, plugins and logs see them.
 */
export class LoopbackClient {
  readonly #port: number;
  readonly #agent: http.Agent;
  readonly #isTls: boolean;
  readonly #serverName: string;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  #bytesLeft = ANSWER_BYTES_MAX;

  constructor({ server, request, signal }: RequestContext, timeoutMs: number) {
    this.#port = server.port;
    this.#isTls = request.scheme === 'https';
    this.#serverName = request.host;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = this.#isTls ? new https.Agent(options) : new http.Agent(options);
  }

  close(): void {
    this.#agent.destroy();
  }

  /**
   * Undefined: no answer came in time. Rejects where the gateway cannot be reached, and for what is no
   * request.
   */
  send({ method, target, headers, body }: LoopbackRequest): Promise<LoopbackAnswer | undefined> {
    const options: https.RequestOptions = {
      host: '127.0.0.1',
      port: this.#port,
      agent: this.#agent,
      method,
      path: target,
      headers: headers as http.OutgoingHttpHeaders,
      signal: this.#signal,
      // it is this gateway: no certificate of a route's host is good for its address
      ...(this.#isTls && { rejectUnauthorized: false, servername: this.#serverName }),
    };
    return new Promise((resolve, reject) => {
      const request = (this.#isTls ? https : http).request(options);
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        request.destroy();
        resolve(undefined);
      }, this.#timeoutMs);
      request.on('error', (error) => {
        clearTimeout(timer);
        if (!isLate) reject(error);
      });
      request.on('response', (response) => {
        this.#read(response).then(
          (answer) => {
            clearTimeout(timer);
            resolve(answer);
          },
          () => resolve(undefined),
        );
      });
      request.end(body);
    });
  }

  async #read(response: http.IncomingMessage): Promise<LoopbackAnswer> {
    const head = {
      status: response.statusCode ?? 0,
      reason: response.statusMessage ?? '',
      headers: headersOf(response.rawHeaders),
    };
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        this.#bytesLeft -= chunk.length;
        if (this.#bytesLeft < 0) return { ...head, read_body_err: 'too large' };
        chunks.push(chunk);
      }
    } catch (error) {
      return { ...head, read_body_err: error instanceof Error ? error.message : String(error) };
    }
    return chunks.length === 0 ? head : { ...head, body: Buffer.concat(chunks).toString('latin1') };
  }
}

function headersOf(raw: readonly string[]): Record<string, string | string[]> {
  const headers = new Map<string, string[]>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    headers.set(name, [...(headers.get(name) ?? []), raw[i + 1] as string]);
  }
  return Object.fromEntries(
    [...headers].map(([name, values]) => [
      name,
      values.length === 1 ? (values[0] as string) : values,
    ]),
  );
}
