import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../children.ts';
import type { Contender, Place, Running } from '../contender.ts';
import { freePorts } from '../free-ports.ts';
import type { Resource } from '../scenarios.ts';
import { putAll } from './put-resources.ts';
import { AGENT_FILE, AGENT_SOCKET_ENV } from './thread-agent-place.ts';

/** All-in-one, one worker, embedded store. `tree`: another checkout, with its dependencies. */
export function polygate(name = 'polygate', tree: string = ROOT): Contender {
  return {
    name,
    about: 'all-in-one in one process (Admin API and store too), one worker, embedded store',
    needs: undefined,
    cannot: () =>
      existsSync(path.join(tree, 'tools/start.ts')) ? undefined : `no Polygate in ${tree}`,
    async start(place) {
      const { scenario, upstreamPort, certificate } = place;
      const resources = [...scenario.resources(`127.0.0.1:${upstreamPort}`)];
      if (scenario.entry === 'tls' && certificate !== undefined) {
        const { serverCertFile, serverKeyFile } = certificate;
        const [cert, key] = await Promise.all(
          [serverCertFile, serverKeyFile].map((file) => readFile(file, 'utf8')),
        );
        resources.unshift(['/ssls/1', { snis: ['localhost'], cert, key }]);
      }
      return startPolygate({ ...place, name, tree, resources });
    },
  };
}

export interface PolygateOptions extends Pick<
  Place,
  'children' | 'folder' | 'cpus' | 'signal' | 'say' | 'agentSocket'
> {
  readonly name: string;
  readonly tree: string;
  readonly scenario: Pick<Place['scenario'], 'entry' | 'hasRunner'>;
  readonly resources: readonly Resource[];
  /** Laid over the configuration, key by key at the top. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface RunningPolygate extends Running {
  readonly adminUrl: string;
  readonly adminKey: string;
}

/** Starts it and writes the resources; it need not serve them yet. */
export async function startPolygate(options: PolygateOptions): Promise<RunningPolygate> {
  const { scenario, folder, cpus, signal, children, name, tree, agentSocket } = options;
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'config.yaml');
  const [metricsPort = 0, tlsPort = 0] = await freePorts(2);
  // JSON is YAML too
  const config = { ...configOf(options, { metricsPort, tlsPort }), ...options.config };
  await writeFile(file, JSON.stringify(config, undefined, 2));
  const agent = agentSocket === undefined ? [] : ['--import', AGENT_FILE];
  const child = children.start({
    name,
    command: [process.execPath, ...agent, 'tools/start.ts', '--config', file],
    cpus,
    folder: tree,
    env: agentSocket === undefined ? {} : { [AGENT_SOCKET_ENV]: agentSocket },
  });
  const served = (await child.line(/Polygate serves on (http:[^\s,]+)/))[1] ?? '';
  const adminUrl = (await child.line(/Admin API on (http:\S+)/))[1] ?? '';
  const adminKey = (await readFile(path.join(folder, 'data/admin.key'), 'utf8')).trim();
  const logFile = path.join(folder, 'file-logger.log');
  const resources = JSON.parse(
    JSON.stringify(options.resources).replaceAll('LOG_FILE', logFile),
  ) as Resource[];
  await putAll({
    adminUrl,
    adminKey,
    resources,
    signal,
    say: (text) => options.say(`${name}: ${text}`),
  });
  return {
    child,
    // the name is in the certificate, and what clients send for SNI
    url: scenario.entry === 'tls' ? `https://localhost:${tlsPort}` : served,
    metricsUrl: `http://127.0.0.1:${metricsPort}/apisix/prometheus/metrics`,
    adminUrl,
    adminKey,
  };
}

function configOf(
  { scenario, folder, tree }: PolygateOptions,
  { metricsPort, tlsPort }: { metricsPort: number; tlsPort: number },
): object {
  const runner = [process.execPath, path.join(tree, 'libs/plugin-runner/src/main.ts')];
  return {
    apisix: {
      node_listen: [{ ip: '127.0.0.1', port: 0, enable_http2: scenario.entry === 'h2c' }],
      ssl: { enable: scenario.entry === 'tls', listen: [{ ip: '127.0.0.1', port: tlsPort }] },
      enable_control: false,
    },
    deployment: { admin: { admin_listen: { ip: '127.0.0.1', port: 0 } } },
    // as the peers, who keep none; the plugin file-logger writes its own
    nginx_config: { http: { enable_access_log: false } },
    plugin_attr: { prometheus: { export_addr: { ip: '127.0.0.1', port: metricsPort } } },
    ...(scenario.hasRunner && { 'ext-plugin': { cmd: runner } }),
    polygate: {
      // before APISIX_WORKER_PROCESSES, should it be set here
      workers: 1,
      data_dir: path.join(folder, 'data'),
      run_dir: path.join(folder, 'run'),
      telemetry: { enabled: false },
      shutdown_grace_ms: 3000,
    },
  };
}
