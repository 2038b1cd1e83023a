// Test-only: an Admin API on free ports, with a store and plugins as real as the product's.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tracer } from '@opentelemetry/api';
import { loadConfig, reloadPluginList } from '@polygate/chassis';
import { type ConfigStore, openEmbeddedStore } from '@polygate/config-store';
import { startAdminApi } from './start-admin-api.ts';

export const ADMIN_KEY = 'admin-key-of-the-tests';
export const VIEWER_KEY = 'viewer-key-of-the-tests';

export interface Reply {
  readonly status: number;
  /** Parsed where it is JSON, else the text. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into it as they like
  readonly body: any;
  readonly text: string;
  readonly headers: Headers;
}

export interface RunningAdminApi {
  readonly store: ConfigStore;
  readonly url: string;
  readonly controlAddress: string;
  /** Messages of the log. */
  readonly lines: readonly string[];
  /** With the admin key; `path` is below `/apisix/admin`. An object is sent as JSON. */
  call(method: string, path: string, body?: unknown, init?: RequestInit): Promise<Reply>;
  writeConfig(yaml: string): Promise<void>;
  stop(): Promise<void>;
}

/** `yaml` stands under `deployment.admin`; `more` at the top level. */
export interface HarnessOptions {
  readonly admin?: string;
  readonly more?: string;
  /** Default: an embedded store in memory, closed with the rest. Who gives one closes it. */
  readonly store?: ConfigStore;
  readonly prefix?: string;
  readonly tracer?: Tracer | undefined;
}

export async function runAdminApi(options: HarnessOptions = {}): Promise<RunningAdminApi> {
  const folder = await mkdtemp(join(tmpdir(), 'admin-api-'));
  const file = join(folder, 'config.yaml');
  const writeConfig = (yaml: string) => writeFile(file, yaml);
  await writeConfig(configOf(options, folder));

  const lines: string[] = [];
  const write = (message: string) => void lines.push(message);
  const log = { debug: write, info: write, warn: write, error: write };
  const store = options.store ?? openEmbeddedStore({ file: ':memory:', log });
  const config = loadConfig(file, {});
  const { tracer } = options;
  const loadPluginList = () => reloadPluginList(file, {});
  const api = await startAdminApi({
    config,
    store,
    log,
    auditLog: log,
    loadPluginList,
    tracer,
  });
  const url = `http://127.0.0.1:${api.address.port}`;

  return {
    store,
    url,
    controlAddress: api.controlAddress,
    lines,
    writeConfig,
    call: async (method, path, body, init = {}) => {
      const headers = { 'X-API-KEY': ADMIN_KEY, ...init.headers };
      const sent = typeof body === 'string' ? body : JSON.stringify(body);
      const response = await fetch(`${url}/apisix/admin${path}`, {
        method,
        ...(body === undefined ? {} : { body: sent }),
        ...init,
        headers,
      });
      return toReply(response);
    },
    stop: async () => {
      await api.stop(1000);
      if (options.store === undefined) await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

function configOf(
  { admin, more = '', prefix = '/apisix' }: HarnessOptions,
  folder: string,
): string {
  const keys = `admin_key:
      - { name: admin, key: ${ADMIN_KEY}, role: admin }
      - { name: viewer, key: ${VIEWER_KEY}, role: viewer }`;
  return `
deployment:
  role: traditional
  role_traditional: { config_provider: embedded }
  etcd: { prefix: ${prefix} }
  admin:
    ${admin ?? keys}
    admin_listen: { ip: 127.0.0.1, port: 0 }
polygate:
  data_dir: ${join(folder, 'data')}
  control: { listen: '127.0.0.1:0' }
${more}
`;
}

async function toReply(response: Response): Promise<Reply> {
  const text = await response.text();
  const { status, headers } = response;
  try {
    return { status, headers, text, body: JSON.parse(text) as unknown };
  } catch {
    // the caller asked for a text
    return { status, headers, text, body: text };
  }
}
