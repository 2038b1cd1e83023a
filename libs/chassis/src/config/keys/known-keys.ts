import { PROXY_CACHE } from './cache-keys.ts';
import { DEPLOYMENT } from './deployment-keys.ts';
import { DISCOVERY } from './discovery-keys.ts';
import {
  anything,
  flag,
  freeForm,
  integer,
  listOf,
  oneOf,
  optionalSection,
  scalar,
  section,
  text,
  unused,
  type KeyRule,
  type RuleValue,
} from './key-rules.ts';
import { NGINX_CONFIG } from './nginx-keys.ts';
import { PLUGIN_ATTR_DEFAULTS } from './plugin-attr-defaults.ts';
import { POLYGATE } from './polygate-keys.ts';
import { DEFAULT_SSL_CIPHERS, isCipherList, isProtocolList } from './tls-rules.ts';
import { anyList, cidr, host, port, seconds, texts } from './value-rules.ts';

export interface WrittenListen {
  readonly ip: string | undefined;
  readonly port: number;
  readonly enable_http2: boolean | undefined;
}

const listenEntry = section({
  ip: text(undefined, 'an address'),
  port: port(9080),
  enable_http2: flag(undefined),
});
const listenPort = port(9080);
const portOrEntry = {
  expects: 'a port, or a mapping with ip and port',
  read(value: unknown, path: string, findings: Parameters<typeof listenEntry.read>[2]) {
    if (typeof value === 'object') return listenEntry.read(value, path, findings);
    const listen = listenPort.read(value, path, findings);
    return { ip: undefined, port: listen, enable_http2: undefined };
  },
};
const listenList = listOf<WrittenListen, undefined>(portOrEntry, undefined, {
  expects: 'a port or a list of ports',
  itemsMin: 1,
});

/** `9080`, `[9080]` or `[{ip, port, enable_http2}]`; undefined when not written. */
const nodeListen: typeof listenList = {
  expects: listenList.expects,
  read(value, path, findings) {
    if (typeof value !== 'number') return listenList.read(value, path, findings);
    return [portOrEntry.read(value, path, findings)];
  },
};

// Each entry is an AES key and its IV at once: apisix/cli/schema.lua.
const isKeyringEntry = (value: unknown): value is string =>
  typeof value === 'string' && [16, 32].includes(Buffer.byteLength(value));

const writtenKeyring = scalar<readonly string[]>(
  'keys of 16 or 32 characters',
  ['qeddd145sfvddff3', 'edd1c9f0985e76a2'],
  (value) => {
    if (isKeyringEntry(value)) return [value];
    if (!Array.isArray(value) || value.length === 0) return undefined;
    return value.every(isKeyringEntry) ? value : undefined;
  },
);
/** Written without a value: nothing is encrypted, as in APISIX. */
const keyring: typeof writtenKeyring = {
  expects: writtenKeyring.expects,
  read: (value, path, findings) =>
    value === null ? [] : writtenKeyring.read(value, path, findings),
};

const writtenServesTls = flag(true);
/** Written without a value: TLS is not served, as in APISIX. */
const servesTls: typeof writtenServesTls = {
  expects: writtenServesTls.expects,
  read: (value, path, findings) =>
    value === null ? false : writtenServesTls.read(value, path, findings),
};

const protocols = listOf(section({ name: text(undefined) }), undefined, {
  expects: 'a list of protocols',
});

/** `[{name: redis}]`, as its names. */
const protocolNames: KeyRule<readonly string[]> = {
  expects: 'a list of protocols',
  read(value, path, findings) {
    const listed = protocols.read(value, path, findings) ?? [];
    return listed.flatMap(({ name }) => name ?? []);
  },
};

const lru = section({
  ttl: seconds(300_000, 0),
  count: unused(integer(512, 0)),
  neg_ttl: seconds(60_000, 0),
  neg_count: unused(integer(512, 0)),
});

const APISIX = section({
  node_listen: nodeListen,
  enable_admin: flag(true),
  enable_dev_mode: flag(false),
  enable_reuseport: unused(flag(true)),
  show_upstream_status_in_response_header: flag(false),
  enable_ipv6: flag(true),
  enable_http2: flag(true),
  proxy_protocol: unused(
    section({
      listen_http_port: port(0),
      listen_https_port: port(0),
      enable_tcp_pp: flag(false),
      enable_tcp_pp_to_upstream: flag(false),
    }),
  ),
  enable_server_tokens: flag(true),
  extra_lua_path: unused(text('')),
  extra_lua_cpath: unused(text('')),
  lua_module_hook: unused(text('')),
  proxy_cache: PROXY_CACHE,
  delete_uri_tail_slash: flag(false),
  normalize_uri_like_servlet: flag(false),
  match_uri_encoded_slash: flag(false),
  max_post_args_readable_size: integer(64, 0),
  router: section({
    http: oneOf(
      ['radixtree_host_uri', 'radixtree_uri', 'radixtree_uri_with_parameter'],
      'radixtree_host_uri',
    ),
    ssl: unused(oneOf(['radixtree_sni'], 'radixtree_sni')),
  }),
  proxy_mode: unused(oneOf(['http', 'stream', 'http&stream'], 'http')),
  stream_proxy: unused(section({ tcp: anyList, udp: anyList })),
  dns_resolver: texts(undefined),
  dns_resolver_valid: seconds(undefined, 0),
  resolver_timeout: seconds(5000, 0),
  enable_resolv_search_opt: unused(flag(true)),
  ssl: section({
    enable: servesTls,
    listen: listOf(
      section({ ip: host('0.0.0.0'), port: port(9443), enable_http3: unused(flag(false)) }),
      undefined,
      { expects: 'a list of mappings', itemsMin: 1 },
    ),
    // Used for upstreams and etcd.
    ssl_trusted_certificate: text('system'),
    ssl_protocols: text('TLSv1.2 TLSv1.3', 'names as TLSv1.2 TLSv1.3', isProtocolList),
    ssl_ciphers: text(DEFAULT_SSL_CIPHERS, 'OpenSSL names with colons between', isCipherList),
    ssl_session_tickets: flag(false),
    fallback_sni: text(undefined, 'a server name', (value) => /^[\w.-]+$/.test(value)),
  }),
  enable_control: flag(true),
  control: section({ ip: host('127.0.0.1'), port: port(9090) }),
  disable_sync_configuration_during_start: unused(flag(false)),
  worker_startup_time_threshold: unused(integer(60, 0)),
  data_encryption: section({
    enable_encrypt_fields: flag(true),
    // Of APISIX before 3.13; since then it does nothing.
    enable: unused(flag(true)),
    keyring,
  }),
  status: optionalSection({ ip: host('127.0.0.1'), port: port(7085) }),
  disable_upstream_healthcheck: unused(flag(false)),
  trusted_addresses: listOf(cidr, undefined, {
    expects: 'a list of IP addresses or CIDRs',
    itemsMin: 1,
  }),
  lru: section({ secret: lru }),
  tracing: unused(flag(false)),
  id: anything,
});

const pluginList = texts(undefined);
/** Not written: all that are on by default. Written without a value: none, as in APISIX. */
const plugins: typeof pluginList = {
  expects: pluginList.expects,
  read: (value, path, findings) => (value === null ? [] : pluginList.read(value, path, findings)),
};
const streamPlugins = texts([
  'ip-restriction',
  'limit-conn',
  'mqtt-proxy',
  'syslog',
  'traffic-split',
]);

/** The keys that a running process may read anew. */
export const PLUGIN_KEYS = {
  plugins,
  stream_plugins: streamPlugins,
  plugin_attr: freeForm(PLUGIN_ATTR_DEFAULTS),
};

/**
 * Every key of the configuration file: APISIX's (conf/config.yaml.example, apisix/cli/config.lua
 * and schema.lua) and, below `polygate`, ours. To give an `unused` key a meaning, take the
 * `unused` away and read it in `../load-config.ts`.
 */
export const KNOWN_KEYS = section({
  apisix: APISIX,
  nginx_config: NGINX_CONFIG,
  http: unused(section({ custom_lua_shared_dict: freeForm() })),
  etcd: unused(freeForm()),
  discovery: DISCOVERY,
  graphql: section({ max_size: integer(1_048_576, 1) }),
  'ext-plugin': section({
    cmd: listOf(text(''), undefined, { expects: 'a list of texts', itemsMin: 1 }),
    path_for_test: text(undefined),
  }),
  ...PLUGIN_KEYS,
  wasm: unused(section({ plugins: anyList })),
  xrpc: unused(section({ protocols: protocolNames })),
  deployment: DEPLOYMENT,
  polygate: POLYGATE,
});

export type WrittenConfig = RuleValue<typeof KNOWN_KEYS>;
