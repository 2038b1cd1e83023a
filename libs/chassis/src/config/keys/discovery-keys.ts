import { isIP } from 'node:net';
import {
  flag,
  freeForm,
  integer,
  isMapping,
  join,
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
import { texts } from './value-rules.ts';

const DNS_TYPES = ['last', 'SRV', 'A', 'AAAA', 'CNAME'] as const;
const sharedSize = unused(text('64m', 'a size as 64m', (value) => /^[1-9]\d*m$/.test(value)));

const orderList = listOf(oneOf(DNS_TYPES, 'last'), undefined, {
  expects: 'a list of record types',
  itemsMin: 1,
});
const order: typeof orderList = {
  expects: orderList.expects,
  read(value, path, findings) {
    const types = orderList.read(value, path, findings);
    if (types !== undefined && new Set(types).size < types.length) {
      findings.problems.push(`${path}: expected unique items`);
    }
    return types;
  },
};

const dnsSection = optionalSection({
  servers: listOf(text('', 'an address, with or without a port', isServer), undefined, {
    expects: 'a list of addresses',
    itemsMin: 1,
  }),
  resolv_conf: text(undefined, 'a path'),
  order,
});
const dns: typeof dnsSection = {
  ...dnsSection,
  read(value, path, findings) {
    const read = dnsSection.read(value, path, findings);
    if (read !== undefined && (read.servers === undefined) === (read.resolv_conf === undefined)) {
      findings.problems.push(`${path}: expected one of servers and resolv_conf`);
    }
    return read;
  },
};

const consulService = optionalSection({
  host: text(undefined, 'an address'),
  port: integer(undefined, 1, 65_535),
  // of no meaning to APISIX either: a default node has the weight of all others
  metadata: freeForm({ fail_timeout: 1, weight: 1, max_fails: 1 }),
});
const dump = optionalSection({
  path: text(undefined, 'a path', (value) => value !== ''),
  load_on_init: flag(true),
  expire: integer(0, 0),
});

const consulShape = {
  servers: listOf(text('', 'a URL as http://address:port', isConsulUrl), undefined, {
    expects: 'a list of URLs',
    itemsMin: 1,
  }),
  token: text(''),
  fetch_interval: integer(3, 1),
  keepalive: flag(true),
  weight: integer(1, 1),
  timeout: section({
    connect: integer(2000, 1),
    read: integer(2000, 1),
    wait: integer(60, 1),
  }),
  dump,
  default_service: consulService,
};

const consulSection = optionalSection({
  ...consulShape,
  shared_size: sharedSize,
  sort_type: oneOf(['origin', 'host_sort', 'port_sort', 'combine_sort'], 'origin'),
  skip_services: texts(undefined),
});
const consul = requiring('servers', consulSection);
const consulKv = requiring(
  'servers',
  optionalSection({ ...consulShape, prefix: text('upstreams'), skip_keys: texts(undefined) }),
);

const pollTimeouts = {
  connect: integer(2000, 1),
  send: integer(2000, 1),
  read: integer(5000, 1),
};
const fetchInterval = integer(30, 1);

const nacos = requiring(
  'host',
  optionalSection({
    host: listOf(text('', 'a URL as http://user:password@host:port', isNacosUrl), undefined, {
      expects: 'a list of URLs',
      itemsMin: 1,
    }),
    fetch_interval: fetchInterval,
    prefix: text('/nacos/v1/', 'a path', (value) => /^[\w/.-]{1,100}$/.test(value)),
    weight: integer(100, 1),
    timeout: section(pollTimeouts),
    access_key: text(''),
    secret_key: text(''),
  }),
);

const eureka = requiring(
  'host',
  optionalSection({
    host: listOf(text('', 'a URL as http://user:password@host:port', isRegistryUrl), undefined, {
      expects: 'a list of URLs',
      itemsMin: 1,
    }),
    fetch_interval: fetchInterval,
    prefix: text(undefined),
    weight: integer(undefined, 0),
    timeout: optionalSection(pollTimeouts),
  }),
);

/** Both are written as texts; YAML may well read a port as a number. */
const clusterPort = scalar(
  'a port, or a variable as ${NAME}',
  undefined as string | undefined,
  (value) => {
    const written = typeof value === 'number' ? String(value) : value;
    if (typeof written !== 'string') return undefined;
    const isPort = /^[1-9]\d{0,4}$/.test(written) && Number(written) <= 65_535;
    return isPort || isVariable(written) ? written : undefined;
  },
);
const clusterHost = text(
  undefined,
  'a host name, or a variable as ${NAME}',
  (value) =>
    isVariable(value) ||
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(value) ||
    isIP(value) !== 0,
);

const NAMESPACE = /^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$/;
const namespace = text(undefined, 'a namespace', (value) => NAMESPACE.test(value));
const namespacePatterns = listOf(
  text('', 'a pattern', (value) => /^[\x21-\x7e]*$/.test(value)),
  undefined,
  { expects: 'a list of patterns', itemsMin: 1 },
);

const cluster = section({
  id: text(undefined, '1 to 64 small letters and digits', (value) =>
    /^[a-z0-9]{1,64}$/.test(value),
  ),
  service: section({
    schema: oneOf(['http', 'https'], 'https'),
    host: clusterHost,
    port: clusterPort,
    ssl_verify: flag(undefined),
  }),
  client: section({
    token: text(
      undefined,
      'a token, or a variable as ${NAME}',
      (value) => isVariable(value) || /^[\w+/.=-]{0,4096}$/.test(value.trim()),
    ),
    token_file: text(
      undefined,
      'a path',
      (value) => value.length > 0 && value.length <= 500 && !/[\\:*?"<>|]/.test(value),
    ),
  }),
  namespace_selector: optionalSection({
    equal: namespace,
    not_equal: namespace,
    match: namespacePatterns,
    not_match: namespacePatterns,
  }),
  label_selector: text(undefined),
  default_weight: integer(50, 0),
  shared_size: sharedSize,
  watch_endpoint_slices: flag(false),
});

export type WrittenCluster = RuleValue<typeof cluster>;

/** One cluster, or a list of clusters with ids. */
const kubernetes: KeyRule<WrittenCluster | readonly WrittenCluster[] | undefined> = {
  expects: 'a mapping, or a list of mappings',
  read(value, path, findings) {
    if (value === undefined || value === null) return undefined;
    const readOne = (written: unknown, at: string): WrittenCluster => {
      const read = cluster.read(written, at, findings);
      const selectors = Object.values(read.namespace_selector ?? {}).filter(Boolean);
      if (selectors.length > 1) {
        findings.problems.push(`${at}.namespace_selector: expected one selector at most`);
      }
      return read;
    };
    if (!Array.isArray(value)) return readOne(value, path);
    if (value.length === 0) findings.problems.push(`${path}: expected ${this.expects}`);
    const ids = new Set<string>();
    return value.map((written: unknown, i) => {
      const at = `${path}[${i}]`;
      const read = readOne(written, at);
      const { id, service, client } = read;
      for (const [key, one] of Object.entries({ id, host: service.host, port: service.port })) {
        if (one !== undefined) continue;
        findings.problems.push(`${join(at, key === 'id' ? key : `service.${key}`)}: is required`);
      }
      if ((client.token === undefined) === (client.token_file === undefined)) {
        findings.problems.push(`${at}.client: expected one of token and token_file`);
      }
      if (id !== undefined && ids.has(id)) findings.problems.push(`${at}.id: ${id} is there twice`);
      ids.add(id ?? '');
      return read;
    });
  },
};

/** Service registries: apisix/discovery/*\/schema.lua. */
export const DISCOVERY = section({
  dns,
  consul,
  consul_kv: consulKv,
  kubernetes,
  nacos,
  eureka,
  tars: unused(freeForm()),
});

function requiring<T extends object | undefined>(
  key: keyof NonNullable<T> & string,
  rule: KeyRule<T>,
): KeyRule<T> {
  return {
    ...rule,
    read(value, path, findings) {
      const read = rule.read(value, path, findings);
      if (isMapping(read) && read[key] === undefined) {
        findings.problems.push(`${path}.${key}: is required`);
      }
      return read;
    },
  };
}

function isVariable(value: string): boolean {
  return /^\$\{[_A-Za-z]\w*\}$/.test(value);
}

/** `127.0.0.1`, `127.0.0.1:53`, `::1`, `[::1]:53`. */
function isServer(value: string): boolean {
  if (isIP(value) !== 0) return true;
  const [, address = ''] = /^\[?([\da-fA-F:.]+?)\]?:\d{1,5}$/.exec(value) ?? [];
  return isIP(address) !== 0;
}

/** As in APISIX neither a path nor TLS. */
function isConsulUrl(value: string): boolean {
  if (!value.startsWith('http://') || value.endsWith('/') || !URL.canParse(value)) return false;
  const { pathname, search, hash } = new URL(value);
  return pathname === '/' && search === '' && hash === '';
}

/** Credentials may have any characters in them. */
function isNacosUrl(value: string): boolean {
  const isShaped = /^https?:\/\/(?:[\w.-]+:.+@)?[\w.:-]+$/.test(value) && value.length <= 100;
  return isShaped && isRegistryUrl(value);
}

function isRegistryUrl(value: string): boolean {
  const [, scheme = '', rest = ''] = /^(https?:\/\/)(.+)$/.exec(value) ?? [];
  return rest !== '' && URL.canParse(scheme + rest.slice(rest.lastIndexOf('@') + 1));
}
