import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Contender, Place } from '../contender.ts';
import { freePorts } from '../free-ports.ts';

export const haproxy: Contender = {
  name: 'haproxy',
  about: 'one thread, X-Forwarded-*, connections to the upstream reused',
  needs: { program: 'haproxy', package: 'haproxy' },
  cannot: ({ needsPlugins }) => (needsPlugins ? 'has no plugins' : undefined),
  async start(place) {
    const { children, folder, cpus, scenario } = place;
    const [port = 0] = await freePorts(1);
    await mkdir(folder, { recursive: true });
    const file = path.join(folder, 'haproxy.cfg');
    await writeFile(file, await configText(place, port));
    const child = children.start({
      name: 'haproxy',
      command: ['haproxy', '-db', '-f', file],
      cpus,
    });
    const scheme = scenario.entry === 'tls' ? 'https' : 'http';
    return { child, url: `${scheme}://127.0.0.1:${port}`, metricsUrl: undefined };
  },
};

async function configText(place: Place, port: number): Promise<string> {
  const bindOptions = {
    http: () => Promise.resolve(''),
    h2c: () => Promise.resolve('proto h2'),
    tls: async () => `ssl crt ${await pemFile(place)} ssl-min-ver TLSv1.2`,
  };
  return `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 10s
  timeout client 600s
  timeout server 60s
  timeout http-keep-alive 600s
frontend clients
  bind 127.0.0.1:${port} backlog 4096 ${await bindOptions[place.scenario.entry]()}
  option forwardfor
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto ${place.scenario.entry === 'tls' ? 'https' : 'http'}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  default_backend upstream
backend upstream
  http-reuse always
  server one 127.0.0.1:${place.upstreamPort} pool-max-conn 320
`;
}

/** haproxy wants certificate and key in one file. */
async function pemFile({ certificate, folder }: Place): Promise<string> {
  if (certificate === undefined) throw new Error('no certificate was made');
  const { serverCertFile, serverKeyFile } = certificate;
  const parts = await Promise.all([serverCertFile, serverKeyFile].map((file) => readFile(file)));
  const file = path.join(folder, 'both.pem');
  await writeFile(file, Buffer.concat(parts));
  return file;
}
