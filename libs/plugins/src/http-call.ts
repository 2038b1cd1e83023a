import * as http from 'node:http';
import * as https from 'node:https';
import { HeaderList } from '@polygate/plugin-sdk';

export interface HttpCallerOptions {
  /** Of one call as a whole, from the wait for a connection to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly verifyTls: boolean;
  /** Undefined: a connection a call. */
  readonly keepAlive: { readonly idleMs: number; readonly connectionsMax: number } | undefined;
  /** Proxies to go through, by the names that environments use. */
  readonly proxy?: Readonly<Partial<Record<'HTTP_PROXY' | 'HTTPS_PROXY' | 'NO_PROXY', string>>>;
}

export interface HttpRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  /** A character a byte, as they come out of a HeaderList. */
  readonly headers: HeaderList;
  readonly body?: Buffer | string;
  /** False for what must not reach the other side twice. */
  readonly isRepeatable: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** Enough for any decision, key set or token. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** Calls at the same time, of one conf; more of them wait, within their own time. */
const CONNECTIONS_MAX = 256;

/** A URL that can be called, or undefined. */
export function callableUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined;
}

/**
 * A client for the few calls that plugins make of their own, as to an authorization service. One per
 * conf, since its connections carry the conf's TLS settings; `close` when the conf is disposed of.
 */
export class HttpCaller {
  readonly #timeoutMs: number;
  readonly #plain: http.Agent;
  readonly #tls: https.Agent;

  constructor({ timeoutMs, verifyTls, keepAlive, proxy }: HttpCallerOptions) {
    const options: http.AgentOptions = {
      maxSockets: CONNECTIONS_MAX,
      ...(keepAlive !== undefined && {
        keepAlive: true,
        maxFreeSockets: keepAlive.connectionsMax,
        timeout: keepAlive.idleMs,
      }),
      ...(proxy !== undefined && { proxyEnv: proxy }),
    };
    this.#timeoutMs = timeoutMs;
    this.#plain = new http.Agent(options);
    this.#tls = new https.Agent({ ...options, rejectUnauthorized: verifyTls });
  }

  /**
   * Rejects when no whole answer comes in time, when it is too large, when a header has a character that
   * no header may have, and when `signal` is aborted. Redirects are answers.
   */
  async call(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const deadlineMs = performance.now() + this.#timeoutMs;
    try {
      return await this.#send(request, signal, deadlineMs);
    } catch (error) {
      // the other side closed a kept connection just as it was used again
      if (!(error instanceof StaleConnection) || !request.isRepeatable) throw error;
      return await this.#send(request, signal, deadlineMs);
    }
  }

  close(): void {
    this.#plain.destroy();
    this.#tls.destroy();
  }

  #send(
    { url, method, headers, body }: HttpRequest,
    signal: AbortSignal,
    deadlineMs: number,
  ): Promise<HttpAnswer> {
    const isTls = url.protocol === 'https:';
    const agent = isTls ? this.#tls : this.#plain;
    const options = { method, agent, signal, headers: valuesByName(headers) };
    return new Promise((resolve, reject) => {
      const request = (isTls ? https : http).request(url, options);
      const timer = setTimeout(
        () => request.destroy(new Error('timeout')),
        Math.max(0, deadlineMs - performance.now()),
      );
      const settle = (end: () => void) => {
        clearTimeout(timer);
        end();
      };
      request.on('error', (error) =>
        settle(() => reject(isStale(request, error) ? new StaleConnection(error) : error)),
      );
      request.on('response', (response) => {
        readAnswer(response).then(
          (answer) => settle(() => resolve(answer)),
          (error: Error) => {
            request.destroy();
            settle(() => reject(error));
          },
        );
      });
      request.end(body);
    });
  }
}

class StaleConnection extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'StaleConnection';
  }
}

function isStale(request: http.ClientRequest, error: NodeJS.ErrnoException): boolean {
  return request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

async function readAnswer(response: http.IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`answer of over ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return {
    status: response.statusCode ?? 0,
    headers: HeaderList.fromRaw(response.rawHeaders),
    body: Buffer.concat(chunks),
  };
}

function valuesByName(headers: HeaderList): Record<string, string | string[]> {
  const values: Record<string, string | string[]> = {};
  headers.forEach((name, _value, lowerName) => {
    const all = headers.getAll(lowerName);
    values[name] = all.length === 1 ? (all[0] as string) : all;
  });
  return values;
}
