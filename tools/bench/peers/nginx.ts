import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Child, Children } from '../children.ts';
import { ANSWER_BYTES, PATTERN, PROBE_HEADER, SAW_HEADER } from '../probe.ts';
import type { Contender, Place } from '../contender.ts';
import { freePorts } from '../free-ports.ts';
import { SCENARIOS } from '../scenarios.ts';
import type { Entry } from '../scenarios.ts';

interface NginxOptions {
  readonly name: string;
  readonly folder: string;
  readonly cpus: string | undefined;
}

/**
 * Answers every path with 1 KiB, `/large` with as much as its scenario wants; a request with the
 * probe header also with what it looked like.
 */
export async function startUpstream(
  children: Children,
  options: NginxOptions & { port: number },
): Promise<Child> {
  const { folder, port } = options;
  await mkdir(folder, { recursive: true });
  const largeBytes = SCENARIOS.find(({ name }) => name === 'large')?.answerBytes ?? 0;
  await writeFile(path.join(folder, 'large'), PATTERN.repeat(largeBytes / PATTERN.length));
  return startNginx(
    children,
    options,
    `
  map $http_${variableOf(PROBE_HEADER)} $saw {
    default '';
    1 '$uri|$http_x_forwarded_for|$http_x_runner';
  }
  open_file_cache max=10;
  sendfile on;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    default_type text/plain;
    add_header ${SAW_HEADER} $saw;
    client_max_body_size 0;
    location = /large { root ${folder}; }
    location / { return 200 '${PATTERN.repeat(ANSWER_BYTES / PATTERN.length)}'; }
  }`,
  );
}

/**
 * The peer that all are compared with: what APISIX's own nginx does at the least, one location, one
 * worker. Keep-alive towards the upstream is as in Polygate's defaults.
 */
export const nginx: Contender = {
  name: 'nginx',
  about: 'one worker, one location, X-Forwarded-*, keep-alive to the upstream',
  needs: { program: 'nginx', package: 'nginx' },
  cannot: () => undefined,
  async start(place) {
    const [port = 0] = await freePorts(1);
    const { children, folder, cpus } = place;
    const child = await startNginx(
      children,
      { name: 'nginx', folder, cpus },
      proxyText(place, port),
    );
    const scheme = place.scenario.entry === 'tls' ? 'https' : 'http';
    return { child, url: `${scheme}://127.0.0.1:${port}`, metricsUrl: undefined };
  },
};

const LISTEN: Readonly<Record<Entry, string>> = { http: '', tls: 'ssl', h2c: 'http2' };

function proxyText({ scenario, upstreamPort, certificate }: Place, port: number): string {
  const tls = `ssl_certificate ${certificate?.serverCertFile};
    ssl_certificate_key ${certificate?.serverKeyFile};
    ssl_protocols TLSv1.2 TLSv1.3;`;
  return `
  upstream backend {
    server 127.0.0.1:${upstreamPort};
    keepalive 320;
    keepalive_requests 1000;
    keepalive_timeout 60s;
  }
  server {
    listen 127.0.0.1:${port} ${LISTEN[scenario.entry]} backlog=4096;
    ${scenario.entry === 'tls' ? tls : ''}
    client_max_body_size 0;
    client_body_buffer_size 128k;
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
  }`;
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
  // started by root it would change to a user who may not read our folder
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  return `${user}daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 16000; }
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
