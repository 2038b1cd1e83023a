import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestCertificates } from '@polygate/testing';

const ROOT = path.resolve(import.meta.dirname, '../..');
const DEMO = path.join(ROOT, 'tools/runner-matrix/rewrite-demo.ts');

/** The name of the pool. */
export const RUNNER = 'chaos';

/** The longest that a call may take before it has failed. */
export const CALL_TIMEOUT_MS = 4000;

/** A file under this name is in the command line of every runner of the stage. */
export function pluginFile(folder: string): string {
  return path.join(folder, 'plugin.ts');
}

/** Where a manager listens, and its folder. */
export interface ManagerPlace {
  readonly name: string;
  readonly address: string;
}

/** JSON is YAML. */
export async function writeConfigs(at: {
  readonly folder: string;
  readonly port: number;
  readonly controlPort: number;
  readonly upstreamPort: number;
  readonly instances: number;
  readonly managers: readonly ManagerPlace[];
  /** For managers on the network. */
  readonly certificates: TestCertificates | undefined;
}): Promise<void> {
  const { folder, port, certificates: pem } = at;
  await writeFile(pluginFile(folder), `export { default } from ${JSON.stringify(DEMO)};\n`);
  const runners = [runnerOf(folder, at.instances)];
  const quiet = { prometheus: { enable_export_server: false } };
  for (const { name, address: listen } of at.managers) {
    const listen_tls = pem && {
      cert: pem.serverCertFile,
      key: pem.serverKeyFile,
      client_ca: pem.caFile,
    };
    const run_dir = path.join(folder, `${name}.run`);
    const polygate = { run_dir, runner_manager: { listen, listen_tls }, runners };
    await write(folder, name, { polygate, plugin_attr: quiet });
  }
  const shared = {
    run_dir: path.join(folder, 'run'),
    runner_manager: {
      addresses: at.managers.map(({ address }) => address),
      address_tls: pem && { ca: pem.caFile, cert: pem.clientCertFile, key: pem.clientKeyFile },
    },
    runners,
  };
  await write(folder, 'data-plane', {
    apisix: {
      node_listen: [{ ip: '127.0.0.1', port }],
      control: { ip: '127.0.0.1', port: at.controlPort },
      ssl: { enable: false },
    },
    nginx_config: { worker_processes: 2 },
    deployment: { role: 'data_plane', role_data_plane: { config_provider: 'yaml' } },
    plugin_attr: quiet,
    polygate: shared,
  });
  await writeRoutes({ ...at, version: 0 });
}

/** The routes of the standalone file, with a conf that differs from version to version. */
export async function writeRoutes(at: {
  readonly folder: string;
  readonly upstreamPort: number;
  readonly version: number;
  /** Routes beside the one for everything, each with a conf of its own. */
  readonly more?: number;
}): Promise<void> {
  const more = Array.from({ length: at.more ?? 0 }, (_, i) => ({
    ...routeOf(at.upstreamPort, i),
    id: `more-${i}`,
    uri: `/more/${i}`,
  }));
  const routes = JSON.stringify({ routes: [routeOf(at.upstreamPort, at.version), ...more] });
  const file = path.join(at.folder, 'data-plane', 'apisix.yaml');
  // at once: half a file would be taken for a broken one
  await writeFile(`${file}.new`, `${routes}\n#END\n`);
  await rename(`${file}.new`, file);
}

function runnerOf(folder: string, instances: number): object {
  const program = path.join(ROOT, 'libs/plugin-runner/src/main.ts');
  return {
    name: RUNNER,
    cmd: [process.execPath, program, pluginFile(folder)],
    plugins: ['rewrite-demo', 'second-demo'],
    instances,
  };
}

/** Everything goes through the plugin, which hands the nonce of a request to the upstream. */
function routeOf(upstreamPort: number, version: number): object {
  const set_headers = { 'X-Version': `${version}` };
  const value = JSON.stringify({ echo_header: 'X-Nonce', digest_body: true, set_headers });
  return {
    id: '1',
    uri: '/*',
    upstream: { type: 'roundrobin', nodes: { [`127.0.0.1:${upstreamPort}`]: 1 } },
    plugins: {
      'ext-plugin-pre-req': {
        conf: [{ name: 'rewrite-demo', value }],
        failure_policy: { timeout_ms: CALL_TIMEOUT_MS, retries: 2 },
      },
    },
  };
}

async function write(folder: string, service: string, config: object): Promise<void> {
  await mkdir(path.join(folder, service), { recursive: true });
  await writeFile(path.join(folder, service, 'config.yaml'), JSON.stringify(config));
}
