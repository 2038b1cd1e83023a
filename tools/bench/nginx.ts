import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { Child, Children } from './children.ts';
import { ANSWER, PROBE_HEADER, SAW_HEADER } from './probe.ts';

export interface NginxOptions {
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  readonly cpus: string | undefined;
}

/** Answers every path with 1 KiB; a request with the probe header also with what it looked like. */
export function startUpstream(children: Children, options: NginxOptions): Promise<Child> {
  return startNginx(
    children,
    options,
    `
  map $http_${variableOf(PROBE_HEADER)} $saw {
    default '';
    1 '$uri|$http_x_forwarded_for|$http_x_runner';
  }
  server {
    listen 127.0.0.1:${options.port} backlog=1024;
    default_type text/plain;
    add_header ${SAW_HEADER} $saw;
    location / { return 200 '${ANSWER}'; }
  }`,
  );
}

/**
 * The peer: what APISIX's own nginx does at the least. Keep-alive towards the upstream is as in
 * Polygate's defaults.
 */
export function startProxy(
  children: Children,
  options: NginxOptions & { upstreamPort: number },
): Promise<Child> {
  return startNginx(
    children,
    options,
    `
  upstream backend {
    server 127.0.0.1:${options.upstreamPort};
    keepalive 320;
    keepalive_requests 1000;
    keepalive_timeout 60s;
  }
  server {
    listen 127.0.0.1:${options.port} backlog=1024;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $http_host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Port $server_port;
    }
  }`,
  );
}

async function startNginx(children: Children, options: NginxOptions, http: string): Promise<Child> {
  const { name, folder, cpus } = options;
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'nginx.conf');
  await writeFile(file, configText(folder, http));
  return children.start({
    name,
    command: ['nginx', '-p', folder, '-c', file, '-e', 'stderr'],
    cpus,
  });
}

/** One worker, no access log; connections from clients are not closed for age. */
function configText(folder: string, http: string): string {
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${folder}/${kind};`,
  );
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
${places.join('\n')}
${http}
}
`;
}

function variableOf(header: string): string {
  return header.toLowerCase().replaceAll('-', '_');
}

/** Ports of 127.0.0.1 that are free now and differ; for programs that cannot be given port 0. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
