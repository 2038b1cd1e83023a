import type { SslConfig } from './gateway-config.ts';
import type { WrittenConfig } from './keys/known-keys.ts';
import { parseProtocols } from './keys/tls-rules.ts';
import { pathOf, type ReadContext } from './read-context.ts';

/** `apisix.ssl`, with the system's authorities as an absent `trustedCaFile`. */
export function readSsl({ apisix }: WrittenConfig, { findings }: ReadContext): SslConfig {
  const { ssl } = apisix;
  const trusted = ssl.ssl_trusted_certificate;
  const caFile = trusted === 'system' ? undefined : trusted;
  return {
    enabled: ssl.enable,
    // APISIX would listen on 0.0.0.0; nobody asked, so nobody from outside gets in.
    listen: ssl.listen?.map(({ ip, port }) => ({ host: ip, port })) ?? [
      { host: '127.0.0.1', port: 9443 },
    ],
    http2: apisix.enable_http2,
    protocols: parseProtocols(ssl.ssl_protocols),
    ciphers: ssl.ssl_ciphers,
    sessionTickets: ssl.ssl_session_tickets,
    fallbackServerName: ssl.fallback_sni,
    ...pathOf('trustedCaFile', 'apisix.ssl.ssl_trusted_certificate', caFile, findings),
  };
}
