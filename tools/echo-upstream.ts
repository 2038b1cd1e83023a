import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';

// An upstream to try things with: it answers the request it got, as JSON.
// Alone: node tools/echo-upstream.ts [--listen HOST:PORT]

const BODY_BYTES_MAX = 1024 * 1024;

export interface EchoUpstream {
  readonly port: number;
  close(): Promise<void>;
}

/** Port 0 takes a free one. Rejects when the address cannot be had. */
export function startEchoUpstream(listen: { host: string; port: number }): Promise<EchoUpstream> {
  const server = createServer((request, response) => void echo(request, response));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen, () => {
      server.off('error', reject);
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > BODY_BYTES_MAX) {
        response.writeHead(413).end();
        return;
      }
      chunks.push(chunk);
    }
  } catch {
    // The client went away: nobody waits for an answer.
    response.destroy();
    return;
  }
  const { method, url, headers } = request;
  const body = Buffer.concat(chunks).toString();
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ method, uri: url, headers, body }, null, 2)}\n`);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { listen: { type: 'string', default: '127.0.0.1:1980' } },
  });
  const at = values.listen.lastIndexOf(':');
  const host = values.listen.slice(0, at);
  const echo = await startEchoUpstream({ host, port: Number(values.listen.slice(at + 1)) });
  console.log(`echo upstream on ${host}:${echo.port}`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void echo.close().then(() => process.exit(0)));
  }
}
