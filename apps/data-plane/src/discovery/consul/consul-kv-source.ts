import type { ConsulDiscoveryConfig } from '@polygate/chassis';
import type { UpstreamNode } from '@polygate/model';
import type { Services } from './consul-dump.ts';
import { ConsulRegistry } from './consul-registry.ts';
import type { ConsulFetch } from './consul-registry.ts';
import type { RegistryLog, SourceEvents } from '../service-source.ts';

/** `webpages/`, host and port, behind the prefix. */
const KEY = /^(.*\/)([a-zA-Z0-9.]+):(\d+)$/;

interface Pair {
  readonly Key?: string | null;
  /** Base64. */
  readonly Value?: string | null;
}

/**
 * Nodes as pairs of Consul's key-value store, `<prefix>/<service>/<host>:<port>`, whose values say how
 * they weigh: apisix/discovery/consul_kv. A service is named with the URL of its server before it.
 */
export function openConsulKv(
  config: ConsulDiscoveryConfig,
  { log }: { readonly log: RegistryLog },
  events: SourceEvents,
): ConsulRegistry {
  const makeFetch = (): ConsulFetch => fetcher(config, log);
  return new ConsulRegistry({ config, log, events, makeFetch });
}

function fetcher(config: ConsulDiscoveryConfig, log: RegistryLog): ConsulFetch {
  const { prefix, keepalive } = config;
  const path = `/kv/${prefix.split('/').map(encodeURIComponent).join('/')}`;
  let index = 0;
  return async (server, signal) => {
    const known = index;
    // one that has failed may count from the beginning when it is back
    index = 0;
    const answer = keepalive
      ? await server.wait(path, known, signal, { recurse: 'true' })
      : await server.get(path, { recurse: 'true' }, signal);
    index = answer.index;
    if (index !== 0 && index === known) return undefined;
    const pairs = Array.isArray(answer.body) ? (answer.body as readonly Pair[]) : [];
    return servicesOf(pairs, `${server.url}/v1/kv/`, { config, log });
  };
}

function servicesOf(
  pairs: readonly Pair[],
  before: string,
  { config, log }: { config: ConsulDiscoveryConfig; log: RegistryLog },
): Services {
  const { prefix, skipServices, weight } = config;
  const services = new Map<string, UpstreamNode[]>();
  for (const { Key: key, Value: value } of pairs) {
    const [, service = '', host = '', port = ''] =
      key?.startsWith(`${prefix}/`) === true ? (KEY.exec(key) ?? []) : [];
    if (service === '' || skipServices.includes(service)) continue;
    const facts = factsOf(value);
    if (facts === undefined) {
      log.error(`consul_kv: ${key ?? ''} has no value that says how its node is`);
      continue;
    }
    // both ways of writing it
    if (facts.check_status === false || facts.check_status === 'false') continue;
    const name = `${before}${service}`;
    const nodes = services.get(name) ?? [];
    nodes.push({ host, port: Number(port), weight: facts.weight ?? weight });
    services.set(name, nodes);
  }
  return services;
}

function factsOf(
  value: string | null | undefined,
): { weight?: number; check_status?: boolean | string } | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  try {
    return JSON.parse(Buffer.from(value, 'base64').toString()) as object;
  } catch {
    return undefined;
  }
}
