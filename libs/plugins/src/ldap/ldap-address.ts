export interface LdapAddress {
  /** An IPv6 address stands without its brackets. */
  readonly host: string;
  /** Undefined: that of the protocol. */
  readonly port: number | undefined;
}

const BRACKETED = /^\[(.+)\](?::(\d+))?$/;
const WITH_PORT = /^([^:]+):(\d+)$/;
const PORT_MAX = 65_535;

/**
 * Takes `host`, `host:port`, an IPv6 address or `[IPv6]:port` apart. There is no scheme, whatever the
 * field is called, as in APISIX (apisix/core/utils.lua, parse_addr); undefined for anything else.
 */
export function parseLdapAddress(text: string): LdapAddress | undefined {
  if (text === '' || text.includes('/')) return undefined;
  const [, host, digits] = BRACKETED.exec(text) ?? WITH_PORT.exec(text) ?? [];
  if (host === undefined) return { host: text, port: undefined };
  if (digits === undefined) return { host, port: undefined };
  const port = Number(digits);
  return port >= 1 && port <= PORT_MAX ? { host, port } : undefined;
}
