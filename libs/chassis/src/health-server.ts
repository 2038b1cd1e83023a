import { createServer, type ServerResponse } from 'node:http';
import { listenOn } from './listen-on.ts';

/**
 * What must be in order before a process is ready, by name: `config`, `store`. Ready when at least
 * one part is known and none has a reason against it.
 */
export class HealthState {
  readonly #reasons = new Map<string, string | undefined>();

  /** `reason` says why not. */
  setNotReady(part: string, reason: string): void {
    this.#reasons.set(part, reason);
  }

  setReady(part: string): void {
    this.#reasons.set(part, undefined);
  }

  /** Undefined when ready. */
  whyNotReady(): string | undefined {
    if (this.#reasons.size === 0) return 'starting';
    for (const [part, reason] of this.#reasons) {
      if (reason !== undefined) return `${part}: ${reason}`;
    }
    return undefined;
  }
}

export interface HealthServerOptions {
  readonly host: string;
  readonly port: number;
  /** Both give undefined when all is well, otherwise the reason. */
  readonly live?: () => string | undefined;
  readonly ready: () => string | undefined;
  /** What is served, but is not up to date: told beside the status. */
  readonly stale?: () => string | undefined;
}

export interface HealthServer {
  /** The one it got, if asked for port 0. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * APISIX's status API (`apisix.status`), also for probes of containers: `/status` and
 * `/status/ready` answer 200 `{"status":"ok"}` or 503 `{"status":"error","error":"<reason>"}`.
 * Rejects when it cannot listen.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer(
    { requestTimeout: 5000, keepAliveTimeout: 5000 },
    (request, response) => {
      const path = request.url?.split('?', 1)[0] ?? '';
      // As nginx's prefix locations: what begins with /status is /status.
      if (path.startsWith('/status/ready'))
        return answer(response, options.ready(), options.stale?.());
      if (path.startsWith('/status')) return answer(response, options.live?.(), options.stale?.());
      response.writeHead(404).end();
    },
  );
  server.maxConnections = 128;
  const port = await listenOn(server, { host: options.host, port: options.port });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(
  response: ServerResponse,
  error: string | undefined,
  stale: string | undefined,
): void {
  const state = error === undefined ? { status: 'ok' } : { status: 'error', error };
  const body = stale === undefined ? state : { ...state, stale };
  response.writeHead(error === undefined ? 200 : 503, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
