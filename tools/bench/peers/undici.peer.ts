// A peer of the benchmark: node undici.peer.ts <port> <upstream's port>
// The least that can be put between node:http and undici's fastest call.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Pool } from 'undici';

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 320 });
const server = createServer((request, response) => forward(request, response));
server.keepAliveTimeout = 600_000;
server.listen(port, '127.0.0.1');

function forward(request: IncomingMessage, response: ServerResponse): void {
  const hasBody = 'content-length' in request.headers || 'transfer-encoding' in request.headers;
  pool.dispatch(
    {
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: forwardedHeaders(request),
      body: hasBody ? request : null,
    },
    {
      onRequestStart: () => undefined,
      onResponseStart(_, status, headers) {
        for (const name of HOP_BY_HOP) delete headers[name];
        response.writeHead(status, headers);
      },
      onResponseData(controller, chunk) {
        if (response.write(chunk)) return;
        controller.pause();
        response.once('drain', () => controller.resume());
      },
      onResponseEnd: () => void response.end(),
      onResponseError(_, error) {
        console.error(error.message);
        if (!response.headersSent) response.writeHead(502);
        response.end();
      },
    },
  );
}

function forwardedHeaders(request: IncomingMessage): string[] {
  const address = request.socket.remoteAddress ?? '';
  const headers: string[] = [
    ...['X-Real-IP', address, 'X-Forwarded-For', address, 'X-Forwarded-Proto', 'http'],
    ...['X-Forwarded-Host', request.headers.host ?? '', 'X-Forwarded-Port', String(port)],
  ];
  const { rawHeaders } = request;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, rawHeaders[i + 1] ?? '');
  }
  return headers;
}
