import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { hostWithoutPort } from '../request/request-target.ts';
import type { CompiledUpstream } from '../upstream/compiled-upstream.ts';

/** What a node is called in the TLS handshake: the Host header's name; undefined where it is an address. */
export function serverNameOf(host: string): string | undefined {
  const name = hostWithoutPort(host);
  return name === '' || isIP(name) !== 0 || name.startsWith('[') ? undefined : name;
}

/** Connections with one key may be shared. */
export function tlsKeyOf({ tls }: CompiledUpstream, name: string | undefined): string {
  return `${name ?? ''} ${tls?.identity ?? ''}`;
}

/** As nginx's proxy_ssl_verify off, which APISIX runs with, unless the upstream says otherwise. */
export function tlsOptionsOf(
  { tls }: CompiledUpstream,
  name: string | undefined,
  protocol: 'http/1.1' | 'h2',
): ConnectionOptions {
  return {
    ALPNProtocols: [protocol],
    rejectUnauthorized: tls?.verify ?? false,
    ...(name === undefined ? {} : { servername: name }),
    ...(tls?.secureContext === undefined ? {} : { secureContext: tls.secureContext }),
  };
}
