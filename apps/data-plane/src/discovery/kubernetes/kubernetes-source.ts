import { readFileSync } from 'node:fs';
import type { DiscoveryConfig, KubernetesDiscoveryConfig } from '@polygate/chassis';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { ClusterEndpoints } from './cluster-endpoints.ts';
import { ClusterWatch } from './cluster-watch.ts';
import type { ClusterAccess } from './cluster-watch.ts';
import { NOT_FOUND } from '../service-source.ts';
import type { RegistryLog, ServiceSource, SourceEvents } from '../service-source.ts';

const TOKEN_BYTES_MAX = 64 * 1024;

interface KubernetesParts {
  readonly authorities: readonly string[] | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly log: RegistryLog;
}

interface Cluster {
  readonly id: string | undefined;
  readonly endpoints: ClusterEndpoints;
  readonly watch: ClusterWatch;
}

/**
 * Endpoints, or slices of them, of one cluster or of several: apisix/discovery/kubernetes. A service
 * is named `namespace/name:port`, with `id/` before it where there are several clusters; the port is
 * its name, or its number where it has none.
 */
export class KubernetesSource implements ServiceSource {
  readonly #config: NonNullable<DiscoveryConfig['kubernetes']>;
  readonly #clusters: readonly Cluster[];

  constructor(
    config: NonNullable<DiscoveryConfig['kubernetes']>,
    parts: KubernetesParts,
    events: SourceEvents,
  ) {
    this.#config = config;
    this.#clusters = config.clusters.map((cluster) => openCluster(cluster, parts, events));
  }

  get isReady(): boolean {
    return this.#clusters.every(({ watch }) => watch.isListed);
  }

  find(name: string): ServiceAnswer | undefined {
    const colon = name.lastIndexOf(':');
    if (colon === -1) return NOT_FOUND;
    const { cluster, service } = this.#locate(name.slice(0, colon));
    if (cluster === undefined) return NOT_FOUND;
    const nodes = cluster.endpoints.find(service, name.slice(colon + 1));
    if (nodes !== undefined) return { nodes };
    return cluster.watch.isListed || cluster.watch.hasFailed ? NOT_FOUND : undefined;
  }

  dump(): object {
    const endpoints = this.#clusters.map(({ id, endpoints: known }) => ({
      ...(id !== undefined && { id }),
      endpoints: known.dump(),
    }));
    // an empty dictionary has no keys, and APISIX no entry for it
    return {
      config: this.#config.shown,
      endpoints: endpoints.filter(({ endpoints: known }) => known.length > 0),
    };
  }

  close(): void {
    for (const { watch } of this.#clusters) watch.close();
  }

  #locate(name: string): { cluster: Cluster | undefined; service: string } {
    const [first] = this.#clusters;
    if (first?.id === undefined) return { cluster: first, service: name };
    const parts = name.split('/');
    const id = parts.slice(0, -2).join('/');
    return {
      cluster: this.#clusters.find((cluster) => cluster.id === id),
      service: parts.slice(-2).join('/'),
    };
  }
}

function openCluster(
  config: KubernetesDiscoveryConfig,
  { authorities, variables, log }: KubernetesParts,
  events: SourceEvents,
): Cluster {
  const endpoints = new ClusterEndpoints(config, log);
  const access = accessTo(config, { authorities, variables });
  const watch = new ClusterWatch(config, { access, endpoints, log, onChange: events.onChange });
  return { id: config.id, endpoints, watch };
}

function accessTo(
  { scheme, host, port, token, tokenFile, verify }: KubernetesDiscoveryConfig,
  { authorities, variables }: Pick<KubernetesParts, 'authorities' | 'variables'>,
): ClusterAccess {
  const read = (written: string): string => valueOf(written, variables);
  return {
    origin: () => {
      const at = read(host);
      return `${scheme}://${at.includes(':') ? `[${at}]` : at}:${read(port)}`;
    },
    // a file is read anew each time: tokens in pods are replaced
    token: () => (token === undefined ? tokenIn(read(tokenFile)) : read(token)).trim(),
    verify,
    authorities,
  };
}

/** `${NAME}` stands for a variable of the environment. */
function valueOf(written: string, variables: KubernetesParts['variables']): string {
  const [, name] = /^\$\{(\w+)\}$/.exec(written) ?? [];
  if (name === undefined) return written;
  const value = variables[name];
  if (value === undefined) {
    throw new Error(`discovery.kubernetes: not found environment variable ${name}`);
  }
  return value;
}

function tokenIn(file: string): string {
  const token = readFileSync(file, 'utf8');
  if (token.length > TOKEN_BYTES_MAX) throw new Error(`${file} holds no token`);
  return token;
}
