import http from 'node:http';
import https from 'node:https';
import type { TLSSocket } from 'node:tls';

/** Of one answer that is read as a whole. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;
/** Of one line of an answer without end. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

export interface RegistryServer {
  /** `http://host:port`, and the path before all paths if there is one. */
  readonly base: string;
  readonly connectTimeoutMs: number;
  /** Left out: as long as an answer may take. */
  readonly sendTimeoutMs?: number;
  /** Whether it must show a certificate for its name from a trusted authority. */
  readonly verify?: boolean;
  /** PEM; undefined: the system's. */
  readonly authorities?: readonly string[] | undefined;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

export interface RegistryCall {
  readonly method?: 'GET' | 'POST';
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Without a byte for so long it is over. */
  readonly readTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** One server of a registry, asked without bodies over connections that are kept. */
export class RegistryClient {
  readonly #server: RegistryServer;
  readonly #agent: http.Agent;

  constructor(server: RegistryServer) {
    this.#server = server;
    const { verify = true, authorities } = server;
    this.#agent = server.base.startsWith('https:')
      ? new https.Agent({
          keepAlive: true,
          rejectUnauthorized: verify,
          ...(authorities !== undefined && { ca: [...authorities] }),
        })
      : new http.Agent({ keepAlive: true });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Rejects when the server cannot be reached, is silent for too long, or says too much. */
  async ask(call: RegistryCall): Promise<RegistryAnswer> {
    const response = await this.#open(call);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX)
        throw new Error(`the answer has more than ${BODY_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString();
    return { status: response.statusCode ?? 0, headers: response.headers, text };
  }

  /** Reads lines until the server ends them, or `onLine` says it is enough. Rejects as `ask`. */
  async lines(call: RegistryCall, onLine: (line: string) => boolean): Promise<RegistryAnswer> {
    const response = await this.#open(call);
    const status = response.statusCode ?? 0;
    let rest = '';
    response.setEncoding('utf8');
    for await (const chunk of response as AsyncIterable<string>) {
      rest += chunk;
      if (rest.length > LINE_BYTES_MAX) throw new Error('a line has too many bytes');
      if (status !== 200) continue;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.trim() !== '' && !onLine(line)) return { status, headers: {}, text: '' };
      }
    }
    return { status, headers: response.headers, text: rest };
  }

  #open(call: RegistryCall): Promise<http.IncomingMessage> {
    const { method = 'GET', path, headers, readTimeoutMs, signal } = call;
    const { base, connectTimeoutMs, sendTimeoutMs = readTimeoutMs } = this.#server;
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const { request } = base.startsWith('https:') ? https : http;
    const sent = request(`${base}${path}`, { method, agent: this.#agent, headers, signal });
    const stop = (what: string, limitMs: number): void =>
      void sent.destroy(new Error(`${what} took more than ${limitMs} ms`));
    const connecting = setTimeout(() => stop('connecting', connectTimeoutMs), connectTimeoutMs);
    sent.once('socket', (socket) => {
      if (!socket.connecting) {
        clearTimeout(connecting);
        return;
      }
      const isTls = (socket as TLSSocket).encrypted === true;
      socket.once(isTls ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
    });
    sent.setTimeout(sendTimeoutMs, () => {
      if (sent.writableFinished) stop('the answer', readTimeoutMs);
      else stop('sending', sendTimeoutMs);
    });
    sent.once('finish', () => sent.setTimeout(readTimeoutMs));
    // the last error of several is nobody's, and must not be unhandled
    sent.on('error', reject);
    sent.once('close', () => clearTimeout(connecting));
    sent.once('response', resolve);
    sent.end();
    return promise;
  }
}

/** Rejects when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = (): void => {
    clearTimeout(timer);
    reject(signal.reason as Error);
  };
  const timer = setTimeout(() => {
    signal.removeEventListener('abort', stop);
    resolve();
  }, ms);
  timer.unref();
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return promise;
}
