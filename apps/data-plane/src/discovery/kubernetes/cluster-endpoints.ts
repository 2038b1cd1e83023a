import type { KubernetesDiscoveryConfig } from '@polygate/chassis';
import { compilePattern } from '@polygate/model';
import type { UpstreamNode } from '@polygate/model';
import type { RegistryLog } from '../service-source.ts';

/** Nodes by the name of a port, or its number where it has no name. */
type Ports = ReadonlyMap<string, readonly Node[]>;
type Node = UpstreamNode & { readonly port: number };

interface PortEntry {
  readonly name?: string | null;
  readonly port: number;
  readonly targetPort?: number | string;
}

/** An Endpoints or an EndpointSlice, as far as it is looked at. */
export interface ClusterObject {
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>> | null;
  };
  readonly subsets?:
    | readonly {
        readonly addresses?: readonly { readonly ip: string }[] | null;
        readonly ports?: readonly PortEntry[] | null;
      }[]
    | null;
  readonly endpoints?:
    | readonly {
        readonly addresses?: readonly string[] | null;
        readonly conditions?: { readonly ready?: boolean | null } | null;
      }[]
    | null;
  readonly ports?: readonly PortEntry[] | null;
}

const SERVICE_LABEL = 'kubernetes.io/service-name';

/** What is known of the services of one cluster: apisix/discovery/kubernetes/core.lua. */
export class ClusterEndpoints {
  readonly #weight: number;
  readonly #isOfSlices: boolean;
  readonly #log: RegistryLog;
  readonly #accepts: (namespace: string) => boolean;
  /** By `namespace/service`, its slices by name; Endpoints are a slice of their own. */
  readonly #services = new Map<string, Map<string, Ports>>();
  /** Not seen yet since the list began. */
  #unseen: Set<string> | undefined;

  constructor(config: KubernetesDiscoveryConfig, log: RegistryLog) {
    this.#weight = config.defaultWeight;
    this.#isOfSlices = config.watchEndpointSlices;
    this.#log = log;
    this.#accepts = namespaceFilter(config.namespaceSelector);
  }

  /** Undefined: there is no such service, or it has no such port. */
  find(service: string, port: string): readonly UpstreamNode[] | undefined {
    const slices = this.#services.get(service);
    if (slices === undefined) return undefined;
    const found = [...slices.values()].flatMap((ports) => ports.get(port) ?? []);
    const isPort = [...slices.values()].some((ports) => ports.has(port));
    return isPort ? found.toSorted(byAddress) : undefined;
  }

  /** What is listed replaces what was known, when the list is complete. */
  beginList(): void {
    this.#unseen = new Set(
      [...this.#services].flatMap(([key, slices]) =>
        [...slices.keys()].map((id) => `${key} ${id}`),
      ),
    );
  }

  endList(): void {
    for (const place of this.#unseen ?? []) {
      const [key = '', id = ''] = place.split(' ');
      this.#remove(key, id);
    }
    this.#unseen = undefined;
  }

  put(object: ClusterObject): void {
    const place = this.#placeOf(object);
    if (place === undefined) return;
    const { key, id } = place;
    const ports = this.#isOfSlices ? this.#portsOfSlice(object) : this.#portsOfSubsets(object);
    const slices = this.#services.get(key);
    if (slices === undefined) this.#services.set(key, new Map([[id, ports]]));
    else slices.set(id, ports);
    this.#unseen?.delete(`${key} ${id}`);
  }

  remove(object: ClusterObject): void {
    const place = this.#placeOf(object);
    if (place !== undefined) this.#remove(place.key, place.id);
  }

  dump(): readonly { readonly name: string; readonly value: string }[] {
    return [...this.#services].map(([name, slices]) => {
      const ports = new Set([...slices.values()].flatMap((one) => [...one.keys()]));
      const value = [...ports].sort().map((port) => [port, this.find(name, port)] as const);
      return { name, value: JSON.stringify(Object.fromEntries(value)) };
    });
  }

  #remove(key: string, id: string): void {
    const slices = this.#services.get(key);
    slices?.delete(id);
    if (slices?.size === 0) this.#services.delete(key);
  }

  #placeOf({ metadata }: ClusterObject): { key: string; id: string } | undefined {
    const { name, namespace, labels } = metadata ?? {};
    const service = this.#isOfSlices ? labels?.[SERVICE_LABEL] : name;
    if (name === undefined || namespace === undefined || service === undefined) {
      this.#log.warn(`kubernetes: an object without name, namespace or service (${name ?? '?'})`);
      return undefined;
    }
    return this.#accepts(namespace) ? { key: `${namespace}/${service}`, id: name } : undefined;
  }

  #portsOfSubsets({ subsets }: ClusterObject): Ports {
    const found = new Map<string, Node[]>();
    for (const { addresses, ports } of subsets ?? []) {
      const hosts = (addresses ?? []).map(({ ip }) => ip);
      if (addresses) this.#add(found, ports ?? [], hosts);
    }
    return found;
  }

  #portsOfSlice({ endpoints, ports }: ClusterObject): Ports {
    const found = new Map<string, Node[]>();
    for (const { addresses, conditions } of endpoints ?? []) {
      if (addresses && conditions?.ready === true) this.#add(found, ports ?? [], addresses);
    }
    return found;
  }

  #add(to: Map<string, Node[]>, ports: readonly PortEntry[], hosts: readonly string[]): void {
    for (const { name, port, targetPort } of ports) {
      const key = name ?? String(targetPort ?? port);
      const nodes = to.get(key) ?? [];
      for (const host of hosts) nodes.push({ host, port, weight: this.#weight });
      to.set(key, nodes);
    }
  }
}

/** `equal` and `not_equal` are the server's business. Patterns have to match the whole name. */
function namespaceFilter(
  selector: KubernetesDiscoveryConfig['namespaceSelector'],
): (namespace: string) => boolean {
  const { match, not_match: notMatch } = selector ?? {};
  const patterns = (match ?? notMatch ?? []).map((written) => compilePattern(`^(?:${written})$`));
  if (patterns.length === 0) return () => true;
  const isAmong = (namespace: string): boolean => patterns.some((one) => one.test(namespace));
  return match === undefined ? (namespace) => !isAmong(namespace) : isAmong;
}

function byAddress(a: Node, b: Node): number {
  if (a.host !== b.host) return a.host < b.host ? -1 : 1;
  return a.port - b.port;
}
