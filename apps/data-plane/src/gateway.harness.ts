// Test-only: a data plane on free ports, over a real store in memory.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, loadConfig } from '@polygate/chassis';
import { openEmbeddedStore } from '@polygate/config-store';
import type { ConfigStore } from '@polygate/config-store';
import { startDataPlane } from './data-plane.ts';
import type { DataPlane } from './data-plane.ts';

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly text: string;
}

export interface RunningGateway {
  readonly plane: DataPlane;
  readonly store: ConfigStore;
  readonly port: number;
  /** Of the configuration file, `config.yaml`. */
  readonly folder: string;
  /** Lines of the main thread's log. */
  readonly lines: readonly string[];
  /** Writes, with the id as the Admin API adds it, and waits until every worker serves it. */
  put(key: string, value: object): Promise<void>;
  remove(key: string): Promise<void>;
  /** Waits until every worker serves the store's last revision. */
  applied(): Promise<void>;
  get(path: string, options?: http.RequestOptions & { body?: string }): Promise<Reply>;
  stop(): Promise<void>;
}

/** `more` is YAML at the top level of the configuration file. */
export async function runGateway(options: {
  workers?: number;
  more?: string;
  /** `config_provider`; `yaml` goes with a MemoryStore. Default embedded. */
  provider?: string;
  /** YAML of one mapping's members, for `apisix`. */
  apisix?: string;
  /** Members of a YAML flow mapping, for `nginx_config.http`. */
  http?: string;
  /** Likewise, for `polygate.limits`. */
  limits?: string;
  /** Likewise, for `polygate`. */
  polygate?: string;
  store?: ConfigStore;
  before?: (store: ConfigStore) => Promise<void>;
}): Promise<RunningGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'polygate-plane-'));
  const file = join(folder, 'config.yaml');
  await writeFile(file, configText(folder, options));
  const lines: string[] = [];
  const stream = { write: (line: string): boolean => lines.push(line) > 0 };
  const log = createLogger({ level: 'info', format: 'text', service: 'test', stream });
  const store = options.store ?? openEmbeddedStore({ file: ':memory:', log });
  await options.before?.(store);
  const plane = await startDataPlane({ config: loadConfig(file, {}), store, log });
  await plane.serving;
  const port = plane.listen[0]?.port ?? 0;
  let last = 0;
  const applied = async (): Promise<void> => {
    await eventually(() => plane.appliedRevision() >= last);
  };
  return {
    plane,
    store,
    port,
    folder,
    lines,
    applied,
    async put(key, value) {
      const [, kind, name, , credentialId] = key.split('/');
      const id = kind === 'consumers' ? credentialId : name;
      const stored = id === undefined ? value : { id, ...value };
      last = (await store.put(key, stored)).item.modifiedIndex;
      await applied();
    },
    async remove(key) {
      await store.delete(key);
      last = (await store.list('/')).revision;
      await applied();
    },
    get: (path, { body, ...more } = {}) => request({ port, path, ...more }, body),
    async stop() {
      await plane.stop(2000);
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

function configText(
  folder: string,
  {
    workers = 1,
    more = '',
    apisix = '',
    provider = 'embedded',
    http = '',
    limits = '',
    polygate = '',
  }: Omit<Parameters<typeof runGateway>[0], 'store' | 'before'>,
): string {
  return `
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  ${apisix.includes('control') ? '' : 'control: { port: 0 }'}
  ${apisix.includes('ssl') ? '' : 'ssl: { listen: [{ ip: 127.0.0.1, port: 0 }] }'}
  ${apisix}
deployment:
  role: traditional
  role_traditional: { config_provider: ${provider} }
nginx_config: { worker_processes: ${workers}, error_log_level: error, http: { ${http} } }
polygate: { run_dir: ${folder}, limits: { ${limits} }, ${polygate} }
${more.includes('plugin_attr') ? '' : 'plugin_attr: { prometheus: { enable_export_server: false } }'}
${more}
`;
}

/** Until it holds; the test's own time limit ends it otherwise. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

export function request(options: http.RequestOptions, body?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = http.request({ host: '127.0.0.1', agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export interface TestUpstream {
  readonly node: string;
  readonly requests: readonly http.IncomingMessage[];
  close(): Promise<void>;
}

/** Without a handler it answers the request it got, as JSON. */
export async function startUpstream(
  handle: http.RequestListener = (message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const { method, url, headers } = message;
      response.end(
        JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }),
      );
    });
  },
): Promise<TestUpstream> {
  const requests: http.IncomingMessage[] = [];
  const server = http.createServer((message, response) => {
    requests.push(message);
    handle(message, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    node: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
