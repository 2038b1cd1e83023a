import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from './children.ts';
import type { Child, Children } from './children.ts';
import { freePorts } from './nginx.ts';
import type { Scenario } from './scenarios.ts';

const ADMIN_CALL_MS_MAX = 10_000;

export interface Polygate {
  readonly child: Child;
  readonly url: string;
  readonly metricsUrl: string;
}

/** All-in-one, one worker, embedded store, with the scenario's resources written. */
export async function startPolygate(
  children: Children,
  options: { scenario: Scenario; folder: string; cpus: string | undefined; signal: AbortSignal },
): Promise<Polygate> {
  const { scenario, folder, cpus, signal } = options;
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'config.yaml');
  const [metricsPort = 0] = await freePorts(1);
  // JSON is YAML too
  await writeFile(file, JSON.stringify(configOf(scenario, folder, metricsPort), undefined, 2));
  const child = children.start({
    name: `polygate (${scenario.name})`,
    command: [process.execPath, 'tools/start.ts', '--config', file],
    cpus,
  });
  const url = (await child.line(/Polygate serves on (http:[^\s,]+)/))[1] ?? '';
  const admin = (await child.line(/Admin API on (http:\S+)/))[1] ?? '';
  const key = (await readFile(path.join(folder, 'data/admin.key'), 'utf8')).trim();
  for (const [pathname, body] of scenario.resources) {
    const response = await fetch(`${admin}${pathname}`, {
      method: 'PUT',
      headers: { 'X-API-KEY': key },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(ADMIN_CALL_MS_MAX)]),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`PUT ${pathname}: ${response.status} ${text}`);
  }
  const metricsUrl = `http://127.0.0.1:${metricsPort}/apisix/prometheus/metrics`;
  return { child, url, metricsUrl };
}

function configOf(scenario: Scenario, folder: string, metricsPort: number): object {
  const runner = [process.execPath, path.join(ROOT, 'libs/plugin-runner/src/main.ts')];
  return {
    apisix: { node_listen: [{ ip: '127.0.0.1', port: 0 }], enable_control: false },
    deployment: { admin: { admin_listen: { ip: '127.0.0.1', port: 0 } } },
    plugin_attr: { prometheus: { export_addr: { ip: '127.0.0.1', port: metricsPort } } },
    ...(scenario.external && { 'ext-plugin': { cmd: runner } }),
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
