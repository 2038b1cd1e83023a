// A peer of the benchmark: node http-proxy.peer.ts <port> <upstream's port>
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const [port, upstreamPort] = process.argv.slice(2).map(Number);

const proxy = httpProxy.createProxyServer({
  target: { host: '127.0.0.1', port: upstreamPort ?? 0 },
  agent: new Agent({ keepAlive: true, maxSockets: 320, maxFreeSockets: 320 }),
  xfwd: true,
});
proxy.on('error', (error, _, response) => {
  console.error(error.message);
  if (!('writeHead' in response)) return;
  if (!response.headersSent) response.writeHead(502);
  response.end();
});
const server = createServer((request, response) => proxy.web(request, response));
server.keepAliveTimeout = 600_000;
server.listen(port, '127.0.0.1');
