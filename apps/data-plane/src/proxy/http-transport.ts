import http from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { GatewayError, HeaderList } from '@polygate/plugin-sdk';
import type { BodySink } from '../request/exchange.ts';
import { hostWithoutPort } from '../request/request-target.ts';
import type {
  UpstreamFailure,
  UpstreamRequest,
  UpstreamResponse,
  UpstreamTransport,
} from './upstream-transport.ts';

/** Over node:http, with one keep-alive pool per scheme and pool size. */
export function createHttpTransport(responseHeadBytesMax: number): UpstreamTransport {
  const agents = new Map<string, http.Agent>();
  const agentFor = ({ upstream }: UpstreamRequest): http.Agent => {
    const { size, idleTimeoutMs } = upstream.keepalive;
    const key = `${upstream.scheme} ${size} ${idleTimeoutMs}`;
    const known = agents.get(key);
    if (known !== undefined) return known;
    const options = { keepAlive: true, maxFreeSockets: size, timeout: idleTimeoutMs };
    const agent = upstream.scheme === 'https' ? new https.Agent(options) : new http.Agent(options);
    agents.set(key, agent);
    return agent;
  };
  return {
    send: (request) => new Attempt(request, agentFor(request), responseHeadBytesMax).result,
    close() {
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

/** One request on its way, until its response head or its failure. */
class Attempt {
  readonly result: Promise<UpstreamResponse | UpstreamFailure>;
  readonly #request: UpstreamRequest;
  readonly #wire: ClientRequest;
  #settle: (result: UpstreamResponse | UpstreamFailure) => void = () => undefined;
  #settled = false;
  #connected = false;
  #bodyTaken = false;
  #resumeBody: () => void = () => undefined;
  #reason: GatewayError | undefined;

  constructor(request: UpstreamRequest, agent: http.Agent, maxHeaderSize: number) {
    this.#request = request;
    this.result = new Promise((resolve) => {
      this.#settle = resolve;
    });
    const { node, upstream, method, target, headers } = request;
    const make = upstream.scheme === 'https' ? https.request : http.request;
    const name = hostWithoutPort(headers.get('host') ?? '');
    this.#wire = make({
      agent,
      host: node.host,
      port: node.port,
      method,
      path: target,
      setHost: false,
      maxHeaderSize,
      // As nginx's proxy_ssl_verify off and proxy_ssl_server_name on, which APISIX runs with.
      ...(upstream.scheme === 'https'
        ? {
            rejectUnauthorized: false,
            ...(isIP(name) === 0 && name !== '' ? { servername: name } : {}),
          }
        : {}),
    });
    writeHeaders(this.#wire, headers);
    this.#wire.once('socket', (socket) => this.#onSocket(socket));
    this.#wire.once('response', (message) => this.#onResponse(message));
    this.#wire.on('error', (error) => this.#fail(error));
    const onAbort = (): void => this.#cancel('REQUEST_ABORTED', 'the client went away');
    request.signal.addEventListener('abort', onAbort, { once: true });
    this.#wire.once('close', () => {
      request.signal.removeEventListener('abort', onAbort);
      this.#fail(new Error('connection closed'));
    });
    if (request.signal.aborted) onAbort();
  }

  #onSocket(socket: Socket): void {
    const { connect, send, read } = this.#request.timeoutsMs;
    const { label } = this.#request.node;
    const begin = (): void => {
      this.#connected = true;
      this.#wire.setTimeout(Math.max(send, read), () =>
        this.#cancel('UPSTREAM_READ_TIMEOUT', `${label} did not answer within ${read} ms`),
      );
      this.#sendBody();
    };
    if (!socket.connecting) {
      begin();
      return;
    }
    const timer = setTimeout(
      () => this.#cancel('UPSTREAM_CONNECT_TIMEOUT', `${label} after ${connect} ms`),
      connect,
    );
    socket.once('connect', () => {
      clearTimeout(timer);
      begin();
    });
    socket.once('close', () => clearTimeout(timer));
  }

  #sendBody(): void {
    const { body } = this.#request;
    if (body === undefined) {
      this.#wire.end();
    } else if (Buffer.isBuffer(body)) {
      this.#wire.end(body);
    } else {
      this.#bodyTaken = true;
      const resume = (): void => this.#resumeBody();
      this.#wire.on('drain', resume);
      // What is left of the body is read and dropped, so that the client's connection stays usable.
      this.#wire.once('close', resume);
      body({
        write: (chunk, resume) => {
          // An upstream that answered early and closed takes no more; the rest is read and dropped.
          if (this.#wire.destroyed) return true;
          if (this.#wire.write(chunk)) return true;
          this.#resumeBody = resume;
          return false;
        },
        end: () => this.#wire.end(),
        fail: (error) => this.#wire.destroy(error),
      });
    }
  }

  #onResponse(message: IncomingMessage): void {
    if (this.#settled) {
      message.destroy();
      return;
    }
    this.#settled = true;
    this.#settle({
      status: message.statusCode ?? 502,
      headers: HeaderList.fromRaw(message.rawHeaders),
      stream: (sink) => pump(message, sink, () => this.#reason),
      discard: () => void message.destroy(),
    });
  }

  #cancel(code: GatewayError['code'], text: string): void {
    this.#reason = new GatewayError(code, text);
    this.#wire.destroy(this.#reason);
  }

  #fail(cause: Error): void {
    if (this.#settled) return;
    this.#settled = true;
    const { label } = this.#request.node;
    const error =
      this.#reason ??
      (cause instanceof GatewayError
        ? cause
        : this.#connected
          ? new GatewayError('UPSTREAM_PROTOCOL', `${label}: ${cause.message}`, { cause })
          : new GatewayError(
              isUnresolved(cause) ? 'UPSTREAM_UNRESOLVED' : 'UPSTREAM_CONNECT_FAILED',
              `${label}: ${cause.message}`,
              { cause },
            ));
    this.#settle({
      error,
      bodyUntouched: !this.#bodyTaken,
      // A pooled connection that died before a byte came back never had the request served.
      neverSent: !this.#connected || (this.#wire.reusedSocket && isReset(cause)),
    });
  }
}

/** By name, since only headers set so leave out `Connection: keep-alive`, which nginx does not send. */
function writeHeaders(wire: ClientRequest, headers: HeaderList): void {
  const values = new Map<string, { readonly name: string; readonly values: string[] }>();
  headers.forEach((name, value, lower) => {
    const known = values.get(lower);
    if (known === undefined) values.set(lower, { name, values: [value] });
    else known.values.push(value);
  });
  for (const { name, values: all } of values.values()) {
    wire.setHeader(name, all.length === 1 ? (all[0] as string) : all);
  }
  wire.removeHeader('Connection');
}

/** The node's name has no address: as in APISIX, that is a node less. */
function isUnresolved(error: Error): boolean {
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall === 'getaddrinfo';
}

function isReset(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function pump(
  message: IncomingMessage,
  sink: BodySink,
  reason: () => GatewayError | undefined,
): void {
  const resume = (): void => void message.resume();
  message.on('data', (chunk: Buffer) => {
    if (!sink.write(chunk, resume)) message.pause();
  });
  message.once('end', () => sink.end());
  message.once('error', (cause) =>
    sink.fail(
      reason() ?? new GatewayError('UPSTREAM_PROTOCOL', 'the upstream cut its answer', { cause }),
    ),
  );
}
