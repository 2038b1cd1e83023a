import type { TlsProtocol } from '../gateway-config.ts';

const PROTOCOLS: readonly TlsProtocol[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** APISIX's; the last two need Diffie-Hellman parameters, which neither it nor we have. */
export const DEFAULT_SSL_CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:' +
  'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:' +
  'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:' +
  'DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384';

/** nginx's notation: names with spaces between. */
export function isProtocolList(list: string): boolean {
  return namesIn(list).every((name) => PROTOCOLS.some((protocol) => protocol === name));
}

/** From old to new. */
export function parseProtocols(list: string): readonly TlsProtocol[] {
  const names = namesIn(list);
  return PROTOCOLS.filter((protocol) => names.includes(protocol));
}

/** Whether OpenSSL knows the names is known when the first certificate is served. */
export function isCipherList(list: string): boolean {
  return /^[\w:!+@=,.-]+$/.test(list);
}

function namesIn(list: string): readonly string[] {
  return list.trim().split(/\s+/);
}
