// A peer of the benchmark: node fastify-http-proxy.peer.ts <port> <upstream's port>
import httpProxy from '@fastify/http-proxy';
import fastify from 'fastify';

const [port, upstreamPort] = process.argv.slice(2).map(Number);

const app = fastify({ logger: false, bodyLimit: 1024 * 1024, keepAliveTimeout: 600_000 });
await app.register(httpProxy, {
  upstream: `http://127.0.0.1:${upstreamPort}`,
  undici: { connections: 320 },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      // of this connection, not of that to the upstream
      connection: 'keep-alive',
      'x-real-ip': request.socket.remoteAddress ?? '',
      'x-forwarded-for': request.socket.remoteAddress ?? '',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': request.headers.host ?? '',
      'x-forwarded-port': String(port),
    }),
  },
});
await app.listen({ host: '127.0.0.1', port: port ?? 0 });
