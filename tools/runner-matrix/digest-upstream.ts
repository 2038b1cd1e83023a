import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the upstream saw of a request: its answer, as JSON. */
export interface Seen {
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly bodySha256: string;
}

export interface DigestUpstream {
  readonly port: number;
  close(): Promise<void>;
}

/** An upstream that tells of the body only length and digest, so that 15 MB of it cost nothing. */
export function startDigestUpstream(): Promise<DigestUpstream> {
  const server = createServer((request, response) => answer(request, response));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      }),
    );
  });
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha256');
  let bodyBytes = 0;
  request.on('error', () => response.destroy());
  request.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => {
    const { method, url: uri, headers } = request;
    const seen = { method, uri, headers, bodyBytes, bodySha256: hash.digest('hex') };
    response.setHeader('X-Upstream', 'digest').setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(seen));
  });
}
