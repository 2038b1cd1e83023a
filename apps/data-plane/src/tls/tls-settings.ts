import { constants, randomBytes } from 'node:crypto';
import type { SecureVersion } from 'node:tls';
import { SessionCache, sessionMemory } from './session-cache.ts';

export type TlsProtocol = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** What handshakes with clients have in common: `apisix.ssl` of the configuration file. */
export interface TlsSettings {
  readonly protocols: readonly TlsProtocol[];
  /** OpenSSL's names with colons between, for TLS 1.2 and older. */
  readonly ciphers: string;
  /** Offer h2. */
  readonly http2: boolean;
  /** For clients that send no server name. */
  readonly fallbackServerName: string | undefined;
  /** 48 bytes, the same in all workers; undefined: no session tickets. */
  readonly ticketKeys: Buffer | undefined;
  /** Where sessions are kept when there are no tickets; undefined: nowhere. */
  readonly sessions: SessionCache | undefined;
}

/** What all workers of a process share. Plain data: goes to a thread as it is. */
export interface TlsSecrets {
  /** 48 random bytes. */
  readonly ticketKeys: Uint8Array;
  readonly sessions: SharedArrayBuffer;
}

/** nginx.conf of APISIX: `ssl_session_timeout 10m`, `ssl_session_cache shared:SSL:20m`. */
export const SESSION_LIFETIME_SECONDS = 600;
const SESSIONS_MAX = 40_960;

/** One for a process: sessions do not outlive it. */
export function createTlsSecrets(): TlsSecrets {
  return { ticketKeys: randomBytes(48), sessions: sessionMemory(SESSIONS_MAX) };
}

/** `ssl`: the part of that name of the GatewayConfig. */
export function tlsSettings(
  ssl: {
    readonly protocols: readonly TlsProtocol[];
    readonly ciphers: string;
    readonly http2: boolean;
    readonly fallbackServerName: string | undefined;
    readonly sessionTickets: boolean;
  },
  secrets: TlsSecrets,
): TlsSettings {
  const { protocols, ciphers, http2, fallbackServerName, sessionTickets } = ssl;
  return {
    protocols,
    ciphers,
    http2,
    fallbackServerName,
    ticketKeys: sessionTickets ? Buffer.from(secrets.ticketKeys) : undefined,
    sessions: sessionTickets
      ? undefined
      : new SessionCache(secrets.sessions, SESSION_LIFETIME_SECONDS),
  };
}

/** Where no configuration says otherwise: APISIX's defaults, and no session is kept. */
export const DEFAULT_TLS_SETTINGS: TlsSettings = {
  protocols: ['TLSv1.2', 'TLSv1.3'],
  ciphers:
    'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
    'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
  http2: true,
  fallbackServerName: undefined,
  ticketKeys: undefined,
  sessions: undefined,
};

/** From old to new, with the option that leaves one out of a range. */
const PROTOCOLS: readonly (readonly [TlsProtocol, number])[] = [
  ['TLSv1', constants.SSL_OP_NO_TLSv1],
  ['TLSv1.1', constants.SSL_OP_NO_TLSv1_1],
  ['TLSv1.2', constants.SSL_OP_NO_TLSv1_2],
  ['TLSv1.3', constants.SSL_OP_NO_TLSv1_3],
];

// nginx's ssl_ciphers are for TLS 1.2 and older; without these names Node would end TLS 1.3.
const TLS13_CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';

export interface ProtocolOptions {
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  readonly secureOptions: number;
  readonly ciphers: string;
  readonly honorCipherOrder: true;
}

/** For a SecureContext that speaks these protocols only. There must be one at least. */
export function protocolOptions(
  protocols: readonly TlsProtocol[],
  ciphers: string,
): ProtocolOptions {
  const wanted = PROTOCOLS.filter(([name]) => protocols.includes(name)).map(([name]) => name);
  const minVersion = wanted[0] ?? 'TLSv1.2';
  const maxVersion = wanted.at(-1) ?? 'TLSv1.3';
  let secureOptions = constants.SSL_OP_NO_RENEGOTIATION;
  for (const [name, without] of PROTOCOLS) if (!wanted.includes(name)) secureOptions |= without;
  // OpenSSL 3 has the hashes of TLS 1.0 and 1.1 in level 0 only; who lists them wants them.
  const isOld = minVersion === 'TLSv1' || minVersion === 'TLSv1.1';
  return {
    minVersion,
    maxVersion,
    secureOptions,
    ciphers: `${TLS13_CIPHERS}:${ciphers}${isOld ? ':@SECLEVEL=0' : ''}`,
    honorCipherOrder: true,
  };
}
