import { cpSync, existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Contender, Place } from '../contender.ts';
import { freePorts } from '../free-ports.ts';
import { isInstalled } from '../machine.ts';
import type { Resource } from '../scenarios.ts';

/** What of an APISIX folder it runs from. */
const PARTS = ['apisix', 'bin', 'conf', 'deps', 'lua_modules'];

/**
 * Apache APISIX from `folder`, a checkout with its dependencies (`make deps`), as a data plane that
 * reads its configuration from a file; it runs in a copy. OpenResty is `folder`'s own, in
 * `openresty/bin`, or that of the PATH.
 */
export function apisix(folder: string): Contender {
  return {
    name: 'apisix',
    about: 'one worker, access log off, configuration from apisix.yaml',
    needs: undefined,
    cannot({ entry, hasRunner }) {
      if (hasRunner) return 'is measured without a runner';
      return entry === 'http' ? undefined : 'is measured over plain HTTP/1.1 only';
    },
    async start(place) {
      const openresty = openrestyOf(folder);
      const own = path.join(place.folder, 'home');
      await mkdir(own, { recursive: true });
      for (const part of PARTS) {
        const from = path.join(folder, part);
        if (existsSync(from)) cpSync(from, path.join(own, part), { recursive: true });
      }
      const [port = 0, metricsPort = 0] = await freePorts(2);
      await writeFile(
        path.join(own, 'conf/config.yaml'),
        JSON.stringify(configOf(port, metricsPort), undefined, 2),
      );
      await writeFile(path.join(own, 'conf/apisix.yaml'), resourcesText(place));
      const start = `./bin/apisix init && exec "${openresty}" -p "${own}/" -c conf/nginx.conf`;
      const child = place.children.start({
        name: 'apisix',
        command: ['sh', '-c', `mkdir -p logs && ${start} -g 'daemon off;'`],
        cpus: place.cpus,
        folder: own,
        env: { PATH: `${path.dirname(openresty)}:${process.env['PATH']}` },
      });
      return {
        child,
        url: `http://127.0.0.1:${port}`,
        metricsUrl: `http://127.0.0.1:${metricsPort}/apisix/prometheus/metrics`,
      };
    },
  };
}

/** Throws when there is none. */
function openrestyOf(folder: string): string {
  if (!existsSync(path.join(folder, 'bin/apisix'))) {
    throw new Error(`${folder} is no APISIX: it has no bin/apisix`);
  }
  const own = path.join(folder, 'openresty/bin/openresty');
  if (existsSync(own)) return own;
  if (isInstalled('openresty')) return 'openresty';
  throw new Error(`no OpenResty: neither ${own} nor on the PATH`);
}

/** JSON is YAML too. */
function configOf(port: number, metricsPort: number): object {
  return {
    apisix: {
      node_listen: [{ ip: '127.0.0.1', port }],
      enable_admin: false,
      enable_control: false,
      ssl: { enable: false },
    },
    deployment: { role: 'data_plane', role_data_plane: { config_provider: 'yaml' } },
    nginx_config: { worker_processes: 1, http: { enable_access_log: false } },
    plugin_attr: { prometheus: { export_addr: { ip: '127.0.0.1', port: metricsPort } } },
  };
}

/** `/routes/1` becomes a member of `routes` with the id 1. */
function resourcesText({ scenario, upstreamPort, folder }: Place): string {
  const byKind = Map.groupBy(
    scenario.resources(`127.0.0.1:${upstreamPort}`),
    ([pathname]) => pathname.split('/')[1] ?? '',
  );
  const member = ([pathname, body]: Resource): object => {
    const id = pathname.split('/')[2];
    return id === undefined ? body : { id, ...body };
  };
  const lists = [...byKind].map(([kind, resources]) => [kind, resources.map(member)] as const);
  const text = JSON.stringify(Object.fromEntries(lists), undefined, 2);
  return `${text.replaceAll('LOG_FILE', path.join(folder, 'file-logger.log'))}\n#END\n`;
}
