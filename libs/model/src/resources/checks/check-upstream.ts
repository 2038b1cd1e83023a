import { parseIpv6 } from '../../address/ip-address.ts';
import type { Keyring } from '../../encryption/text-encryption.ts';
import { ConfigError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../../json-value.ts';
import { luaNumber, luaToNumber } from '../../lua-text.ts';
import { schemaValidator } from '../../schema/compile-schema.ts';
import { checkKeyPair } from './check-certificate.ts';
import { CHASH_KEY_SCHEMAS } from '../upstreams.schema.ts';

/**
 * What holds for an upstream before its schema is asked: IPv6 hosts of listed nodes stand in
 * brackets. Sources: apisix/upstream.lua, check_schema.
 */
export function checkNodeHosts(upstream: unknown): void {
  if (!isJsonObject(upstream) || !Array.isArray(upstream['nodes'])) return;
  for (const node of upstream['nodes'] as readonly unknown[]) {
    const host = isJsonObject(node) ? node['host'] : undefined;
    if (typeof host === 'string' && parseIpv6(host)) {
      throw new ConfigError(
        "invalid configuration: IPv6 address must be enclosed with '[' and ']'",
      );
    }
  }
}

/**
 * What the schema of an upstream cannot say: ports of a node map, the host to pass, the client
 * certificate, the key of consistent hashing. Without a keyring nobody looks at the certificate.
 * Sources: apisix/upstream.lua, check_upstream_conf.
 */
export function checkUpstream(upstream: JsonObject, keyring: Keyring | undefined): void {
  checkNodePorts(upstream['nodes']);
  if (upstream['pass_host'] === 'rewrite' && !upstream['upstream_host']) {
    throw new ConfigError("`upstream_host` can't be empty when `pass_host` is `rewrite`");
  }
  const { tls } = upstream;
  const hasCertificate = isJsonObject(tls) && typeof tls['client_cert'] === 'string';
  if (keyring !== undefined && hasCertificate) {
    checkKeyPair(String(tls['client_cert']), String(tls['client_key']), keyring);
  }
  if (upstream['type'] === 'chash') checkHashKey(upstream);
}

function checkNodePorts(nodes: unknown): void {
  if (!isJsonObject(nodes)) return;
  for (const address of Object.keys(nodes)) {
    const port = portOf(address);
    if (port !== undefined && (port < 1 || port > 65_535)) {
      throw new ConfigError(`invalid port ${luaNumber(port)}`);
    }
  }
}

// As core.utils.parse_addr: `host:port`, `[v6]:port`; bare IPv6 has no port.
function portOf(address: string): number | undefined {
  const colon = address.lastIndexOf(':', address.length - 2);
  if (colon < 0) return undefined;
  if (address.startsWith('[')) {
    if (address.endsWith(']') || address[colon - 1] !== ']') return undefined;
  } else {
    const beforeDot = address.split('.', 1)[0] ?? '';
    if (beforeDot.indexOf(':') !== beforeDot.lastIndexOf(':')) return undefined;
  }
  return luaToNumber(address.slice(colon + 1));
}

function checkHashKey(upstream: JsonObject): void {
  const { hash_on: hashOn, key } = upstream;
  if (hashOn === 'consumer') return;
  if (key === undefined) throw new ConfigError('missing key');
  const schema = CHASH_KEY_SCHEMAS[hashOn as keyof typeof CHASH_KEY_SCHEMAS];
  const error = schemaValidator(schema)(key);
  if (error !== undefined) throw new ConfigError(`invalid configuration: ${error}`);
}
