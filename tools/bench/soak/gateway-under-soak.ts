import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTestCertificates } from '@polygate/testing';
import { ROOT } from '../children.ts';
import type { Children } from '../children.ts';
import { freePorts } from '../free-ports.ts';
import type { AgentHub } from '../gateway/agent-hub.ts';
import { startPolygate } from '../gateway/polygate.ts';
import { usageOfTree } from '../proc-stat.ts';
import { openRaw } from './raw-client.ts';

const READY_MS_MAX = 30_000;
const QUIET_MS_MAX = 60_000;
const POLL_MS = 500;
const WORKERS = 2;

/** Short, so that what is slow meets them often. Seconds. */
const CLIENT_SECONDS = 3;
const IDLE_SECONDS = 4;
const UPSTREAM_SECONDS = 2;

/** What a gateway holds on to while nobody asks it anything. */
export interface Holdings {
  /** Open files, sockets among them. */
  readonly files: number;
  /** Timers and other things that its event loops wait for. */
  readonly resources: number;
  /** Of all threads, after a collection. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

export interface GatewayUnderSoak {
  /** Clear text, then TLS; both speak HTTP/2 where the gateway does. */
  readonly urls: readonly string[];
  readonly speaksHttp2: boolean;
  /** Waits until its sockets are as few as `files`, for a minute at most, then looks. */
  settle(files: number): Promise<Holdings>;
  holdings(): Promise<Holdings>;
  /** The access log: an id and a status a line. Undefined: it keeps none. */
  logLines(): Promise<string[] | undefined>;
  output(): string;
  isAlive(): boolean;
}

export async function startGateway(options: {
  readonly children: Children;
  readonly hub: AgentHub;
  readonly folder: string;
  readonly cpus: string | undefined;
  readonly upstreamPort: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}): Promise<GatewayUnderSoak> {
  const { folder, hub, upstreamPort, signal, say } = options;
  const [tlsPort = 0] = await freePorts(1);
  const logFile = path.join(folder, 'access.log');
  const certificates = await createTestCertificates(folder);
  const [cert, key] = await Promise.all(
    [certificates.serverCertFile, certificates.serverKeyFile].map((file) => readFile(file, 'utf8')),
  );
  const gateway = await startPolygate({
    ...options,
    agentSocket: hub.socket,
    name: 'polygate',
    tree: ROOT,
    scenario: { entry: 'h2c', hasRunner: false },
    resources: [
      ['/ssls/1', { snis: ['localhost'], cert, key }],
      ['/routes/1', { uri: '/*', upstream: upstreamOf(upstreamPort), plugins: { prometheus: {} } }],
    ],
    config: configOf({ tlsPort, logFile, folder }),
  });
  const tlsUrl = `https://localhost:${tlsPort}`;
  await untilServed(gateway.url, signal);
  const hasTls = await serves(tlsUrl);
  if (!hasTls) say('HAS NO TLS: soaked without it');
  let ended = false;
  void gateway.child.exited.then(() => (ended = true));
  const { pid } = gateway.child;
  const holdings = async (): Promise<Holdings> => ({
    ...(await threadHoldings(hub)),
    files: filesOf(pid),
    rssBytes: usageOfTree(pid).reduce((sum, { rssBytes }) => sum + rssBytes, 0),
  });
  return {
    urls: hasTls ? [gateway.url, tlsUrl] : [gateway.url],
    speaksHttp2: await speaksHttp2(gateway.url),
    holdings,
    async settle(files) {
      const limitMs = performance.now() + QUIET_MS_MAX;
      while (filesOf(pid) > files && performance.now() < limitMs) await sleep(POLL_MS);
      return holdings();
    },
    async logLines() {
      const text = await readFile(logFile, 'utf8').catch(() => undefined);
      return text?.split('\n').filter((line) => line !== '');
    },
    output: () => gateway.child.output(),
    isAlive: () => !ended,
  };
}

function upstreamOf(port: number): object {
  return {
    type: 'roundrobin',
    nodes: { [`127.0.0.1:${port}`]: 1 },
    timeout: { connect: UPSTREAM_SECONDS, send: UPSTREAM_SECONDS, read: UPSTREAM_SECONDS },
    keepalive_pool: { size: 64, idle_timeout: IDLE_SECONDS, requests: 50 },
    retries: 1,
  };
}

function configOf(at: {
  tlsPort: number;
  logFile: string;
  folder: string;
}): Record<string, unknown> {
  return {
    apisix: {
      node_listen: [{ ip: '127.0.0.1', port: 0, enable_http2: true }],
      ssl: { enable: true, listen: [{ ip: '127.0.0.1', port: at.tlsPort }] },
      enable_control: false,
    },
    nginx_config: {
      http: {
        enable_access_log: true,
        access_log: at.logFile,
        access_log_format: '$arg_soak $status',
        client_header_timeout: `${CLIENT_SECONDS}s`,
        client_body_timeout: `${CLIENT_SECONDS}s`,
        send_timeout: `${CLIENT_SECONDS}s`,
        keepalive_timeout: `${IDLE_SECONDS}s`,
      },
    },
    polygate: {
      workers: WORKERS,
      data_dir: path.join(at.folder, 'data'),
      run_dir: path.join(at.folder, 'run'),
      telemetry: { enabled: false },
      shutdown_grace_ms: 3000,
    },
  };
}

async function threadHoldings(hub: AgentHub): Promise<Pick<Holdings, 'resources' | 'heapBytes'>> {
  const sum = async (command: 'memory' | 'resources'): Promise<number> => {
    const values = [
      ...(await hub.askAll('main', command)),
      ...(await hub.askAll('worker', command)),
    ];
    return values.reduce((total, value) => total + value, 0);
  };
  const heapBytes = await sum('memory');
  return { heapBytes, resources: await sum('resources') };
}

function filesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

async function untilServed(url: string, signal: AbortSignal): Promise<void> {
  const limitMs = performance.now() + READY_MS_MAX;
  while (!(await serves(url))) {
    if (performance.now() > limitMs) throw new Error(`${url} does not serve`);
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function serves(url: string): Promise<boolean> {
  const client = await openRaw(url);
  await client.send('GET /ok HTTP/1.1\r\nHost: soak.test\r\nConnection: close\r\n\r\n');
  await Promise.race([client.untilAnswered(1), sleep(2000)]);
  client.close();
  return client.statuses[0] === 200;
}

/** Whether it answers the preface of HTTP/2 with a frame of settings. */
async function speaksHttp2(url: string): Promise<boolean> {
  const client = await openRaw(url);
  let first: Buffer | undefined;
  client.socket.on('data', (chunk: Buffer) => (first ??= chunk));
  const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  await client.send(
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), emptySettings]),
  );
  await Promise.race([client.untilClosed(), sleep(500)]);
  client.close();
  return first?.[3] === 4;
}
