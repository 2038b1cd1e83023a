import { readFileSync } from 'node:fs';
import type { GatewayConfig } from '@polygate/chassis';
import type { BuilderTlsOptions } from '../config/compiled-certificates.ts';
import type { ClientTimeoutsMs } from '../server/http1-options.ts';
import type { Listener } from '../server/listeners.ts';
import { tlsSettings } from '../tls/tls-settings.ts';
import type { TlsSecrets } from '../tls/tls-settings.ts';

/** Clear text first. */
export function listenersOf({ nodeListen, ssl }: GatewayConfig): readonly Listener[] {
  const clear = nodeListen.map(({ host, port, http2 }) => ({ host, port, http2, tls: false }));
  if (!ssl.enabled) return clear;
  const secure = ssl.listen.map(({ host, port }) => ({ host, port, http2: ssl.http2, tls: true }));
  return [...clear, ...secure];
}

/** For both sides of the gateway. Throws where the file of authorities cannot be read. */
export function builderTls({ ssl }: GatewayConfig, secrets: TlsSecrets): BuilderTlsOptions {
  return { settings: tlsSettings(ssl, secrets), upstreamAuthorities: authoritiesOf(ssl) };
}

export function clientTimeouts({ http, polygate }: GatewayConfig): ClientTimeoutsMs {
  return {
    header: http.clientHeaderTimeoutMs,
    body: http.clientBodyTimeoutMs,
    send: http.sendTimeoutMs,
    idle: http.keepaliveTimeoutMs,
    total: polygate.limits.requestTotalMs,
  };
}

/** Of the checks, in the main thread. Throws where the file of authorities cannot be read. */
export function healthSettings({ configProvider, etcd, ssl }: GatewayConfig): {
  keyPrefix: string;
  authorities: readonly string[] | undefined;
} {
  const isStored = configProvider === 'etcd' || configProvider === 'embedded';
  return { keyPrefix: isStored ? etcd.prefix : '', authorities: authoritiesOf(ssl) };
}

function authoritiesOf({ trustedCaFile }: GatewayConfig['ssl']): readonly string[] | undefined {
  return trustedCaFile === undefined ? undefined : [readFileSync(trustedCaFile, 'utf8')];
}

/** Bytes of a request body; Infinity: no limit. */
export function clientBodyLimit({ http }: GatewayConfig): number {
  return http.clientMaxBodyBytes === 0 ? Infinity : http.clientMaxBodyBytes;
}
