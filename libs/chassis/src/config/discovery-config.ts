import { resolve } from 'node:path';
import type { WrittenCluster } from './keys/discovery-keys.ts';
import type { WrittenConfig } from './keys/known-keys.ts';

/** As it was written, with defaults: what the Control API shows. */
type Shown = Readonly<Record<string, unknown>>;

export interface DnsDiscoveryConfig {
  /** Addresses, with or without a port; undefined: those of `resolvConf`. */
  readonly servers: readonly string[] | undefined;
  /** Absolute. */
  readonly resolvConf: string | undefined;
  readonly order: readonly DnsRecordType[];
}

export type DnsRecordType = 'last' | 'SRV' | 'A' | 'AAAA' | 'CNAME';

export interface ConsulDiscoveryConfig {
  /** `http://address:port` */
  readonly servers: readonly string[];
  /** Empty: none. */
  readonly token: string;
  /** Between two questions where they do not wait for changes. */
  readonly fetchIntervalMs: number;
  /** Whether a question waits for changes. */
  readonly keepalive: boolean;
  readonly weight: number;
  readonly connectTimeoutMs: number;
  readonly readTimeoutMs: number;
  /** How long a question waits for changes. */
  readonly waitMs: number;
  readonly sortType: 'origin' | 'host_sort' | 'port_sort' | 'combine_sort';
  /** Of `consul_kv`: keys. */
  readonly skipServices: readonly string[];
  /** Of `consul_kv` alone. */
  readonly prefix: string;
  readonly dump:
    | {
        /** Absolute. */
        readonly path: string;
        readonly loadOnInit: boolean;
        /** 0: never. */
        readonly expireMs: number;
      }
    | undefined;
  readonly defaultService: { readonly host: string; readonly port: number } | undefined;
  readonly shown: Shown;
}

/** One server of a registry that is asked now and then. */
export interface RegistryEndpoint {
  /** Without credentials, with the prefix; ends in `/`. */
  readonly url: string;
  /** `user:password`, as it was written before the `@`. */
  readonly credentials: string | undefined;
}

interface PolledRegistryConfig {
  /** One of them is asked; the next one when it fails. */
  readonly endpoints: readonly RegistryEndpoint[];
  readonly fetchIntervalMs: number;
  /** Of instances that have none of their own. */
  readonly weight: number;
  readonly connectTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly readTimeoutMs: number;
}

export interface NacosDiscoveryConfig extends PolledRegistryConfig {
  /** Questions are signed with them; empty: they are not. */
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface EurekaDiscoveryConfig extends PolledRegistryConfig {
  readonly shown: Shown;
}

export interface KubernetesDiscoveryConfig {
  /** Undefined: the only cluster. */
  readonly id: string | undefined;
  readonly scheme: 'http' | 'https';
  /** These four may be a variable, `${NAME}`. */
  readonly host: string;
  readonly port: string;
  readonly token: string | undefined;
  readonly tokenFile: string;
  readonly verify: boolean;
  readonly namespaceSelector:
    | {
        readonly equal: string | undefined;
        readonly not_equal: string | undefined;
        readonly match: readonly string[] | undefined;
        readonly not_match: readonly string[] | undefined;
      }
    | undefined;
  readonly labelSelector: string | undefined;
  readonly defaultWeight: number;
  readonly watchEndpointSlices: boolean;
}

/** `discovery`: where upstreams with a `service_name` get their nodes from. */
export interface DiscoveryConfig {
  readonly dns: DnsDiscoveryConfig | undefined;
  readonly consul: ConsulDiscoveryConfig | undefined;
  readonly consulKv: ConsulDiscoveryConfig | undefined;
  readonly kubernetes:
    | { readonly clusters: readonly KubernetesDiscoveryConfig[]; readonly shown: Shown | Shown[] }
    | undefined;
  readonly nacos: NacosDiscoveryConfig | undefined;
  readonly eureka: EurekaDiscoveryConfig | undefined;
}

const DNS_ORDER: readonly DnsRecordType[] = ['last', 'SRV', 'A', 'AAAA', 'CNAME'];
const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';

const EUREKA_WEIGHT = 100;
const POLL_TIMEOUTS_MS = { connect: 2000, send: 2000, read: 5000 };

type Written<K extends keyof WrittenConfig['discovery']> = NonNullable<
  WrittenConfig['discovery'][K]
>;
type WrittenConsul = Written<'consul' | 'consul_kv'>;

/** Relative paths count from the working directory. */
export function readDiscovery({ discovery }: WrittenConfig): DiscoveryConfig {
  const { dns, consul, consul_kv: consulKv, kubernetes, nacos, eureka } = discovery;
  return {
    dns: dns && {
      servers: dns.servers,
      resolvConf: dns.resolv_conf === undefined ? undefined : resolve(dns.resolv_conf),
      order: dns.order ?? DNS_ORDER,
    },
    consul: consul && readConsul(consul),
    consulKv: consulKv && readConsul(consulKv),
    kubernetes: kubernetes && readClusters(kubernetes),
    nacos: nacos && readNacos(nacos),
    eureka: eureka && readEureka(eureka),
  };
}

function readConsul(written: WrittenConsul): ConsulDiscoveryConfig {
  const { dump, default_service: fallback, timeout } = written;
  return {
    servers: written.servers ?? [],
    token: written.token,
    fetchIntervalMs: written.fetch_interval * 1000,
    keepalive: written.keepalive,
    weight: written.weight,
    connectTimeoutMs: timeout.connect,
    readTimeoutMs: timeout.read,
    waitMs: timeout.wait * 1000,
    sortType: 'sort_type' in written ? written.sort_type : 'origin',
    skipServices: ('skip_services' in written ? written.skip_services : keysIn(written)) ?? [],
    prefix: 'prefix' in written ? written.prefix : '',
    dump:
      dump?.path === undefined
        ? undefined
        : {
            path: resolve(dump.path),
            loadOnInit: dump.load_on_init,
            expireMs: dump.expire * 1000,
          },
    defaultService:
      fallback?.host === undefined || fallback.port === undefined
        ? undefined
        : { host: fallback.host, port: fallback.port },
    shown: withoutGaps({ ...written, token: hidden(written.token) }),
  };
}

function keysIn(written: WrittenConsul): readonly string[] | undefined {
  return 'skip_keys' in written ? written.skip_keys : undefined;
}

function readNacos(written: Written<'nacos'>): NacosDiscoveryConfig {
  const { host, prefix, timeout } = written;
  return {
    endpoints: (host ?? []).map((url) => endpointOf(url, prefix)),
    fetchIntervalMs: written.fetch_interval * 1000,
    weight: written.weight,
    connectTimeoutMs: timeout.connect,
    sendTimeoutMs: timeout.send,
    readTimeoutMs: timeout.read,
    accessKey: written.access_key,
    secretKey: written.secret_key,
  };
}

function readEureka(written: Written<'eureka'>): EurekaDiscoveryConfig {
  const { host = [], prefix = '', weight = EUREKA_WEIGHT, timeout = POLL_TIMEOUTS_MS } = written;
  return {
    endpoints: host.map((url) => endpointOf(url, prefix)),
    fetchIntervalMs: written.fetch_interval * 1000,
    weight,
    connectTimeoutMs: timeout.connect,
    sendTimeoutMs: timeout.send,
    readTimeoutMs: timeout.read,
    shown: withoutGaps({ ...written, host: host.map(withoutPassword) }),
  };
}

/** Passwords may have an `@` in them, hosts and prefixes have none. */
function endpointOf(written: string, prefix: string): RegistryEndpoint {
  const { scheme, credentials, rest } = partsOf(written);
  const url = `${scheme}${rest}${prefix}`;
  return { url: url.endsWith('/') ? url : `${url}/`, credentials };
}

function withoutPassword(written: string): string {
  const { scheme, credentials, rest } = partsOf(written);
  return credentials === undefined ? written : `${scheme}***@${rest}`;
}

function partsOf(url: string): { scheme: string; credentials: string | undefined; rest: string } {
  const [, scheme = '', credentials, rest = ''] = /^(https?:\/\/)(?:(.*)@)?(.*)$/s.exec(url) ?? [];
  return { scheme, credentials, rest };
}

function readClusters(
  written: WrittenCluster | readonly WrittenCluster[],
): DiscoveryConfig['kubernetes'] {
  const isList = (value: typeof written): value is readonly WrittenCluster[] =>
    Array.isArray(value);
  if (isList(written)) {
    return {
      clusters: written.map(readCluster),
      shown: written.map(shownCluster),
    };
  }
  const { service, client } = written;
  const filled = {
    ...written,
    id: undefined,
    service: {
      ...service,
      host: service.host ?? '${KUBERNETES_SERVICE_HOST}',
      port: service.port ?? '${KUBERNETES_SERVICE_PORT}',
    },
    client:
      client.token === undefined ? { token_file: TOKEN_FILE, ...withoutGaps(client) } : client,
  } as WrittenCluster;
  return { clusters: [readCluster(filled)], shown: shownCluster(filled) };
}

function readCluster(written: WrittenCluster): KubernetesDiscoveryConfig {
  const { service, client } = written;
  return {
    id: written.id,
    scheme: service.schema,
    host: service.host ?? '',
    port: service.port ?? '',
    token: client.token,
    tokenFile: client.token_file ?? TOKEN_FILE,
    verify: service.ssl_verify ?? false,
    namespaceSelector: written.namespace_selector,
    labelSelector: written.label_selector,
    defaultWeight: written.default_weight,
    watchEndpointSlices: written.watch_endpoint_slices,
  };
}

/** Keys that nobody wrote and that have no default are not there. */
function withoutGaps(value: object): Shown {
  return JSON.parse(JSON.stringify(value)) as Shown;
}

function shownCluster({ client, ...rest }: WrittenCluster): Shown {
  const { token, ...others } = client;
  return withoutGaps({ ...rest, client: { ...others, token: token && hidden(token) } });
}

/** The Control API shows no secret: the name of a variable is none. */
function hidden(token: string): string {
  return token === '' || token.startsWith('${') ? token : '***';
}
