import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { credentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';

/** The largest runner frame is 16 MiB - 1; names, paths and protobuf's own bytes come on top. */
export const MESSAGE_BYTES_MAX = 17 * 1024 * 1024;
/** Local links carry bodies of megabytes; 64 KiB, the default of HTTP/2, would stall them. */
const FLOW_CONTROL_WINDOW_BYTES = 4 * 1024 * 1024;
const KEEPALIVE_INTERVAL_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 5_000;

/** Where a server is, and how to be sure that it is the one. */
export interface ConnectTo {
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  /** Goes for `host:port` only: a unix socket never leaves the machine, and has a user. */
  readonly tls?: ClientTls | undefined;
  /** Default `MESSAGE_BYTES_MAX`. */
  readonly messageBytesMax?: number | undefined;
}

/** PEM texts. Without `certificateAuthority` the system's authorities are trusted. */
export interface ClientTls {
  readonly certificateAuthority?: string | Buffer | undefined;
  readonly certificate?: string | Buffer | undefined;
  readonly privateKey?: string | Buffer | undefined;
  /** Name expected in the server's certificate, where it differs from the address. */
  readonly serverName?: string | undefined;
}

/** Limits and keepalive that client and server agree on. */
export function messageOptions(messageBytesMax = MESSAGE_BYTES_MAX): ChannelOptions {
  return {
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  };
}

/**
 * Channel options of every client: a dead peer is noticed within 25 s, a returned one within 5 s.
 */
export function connectOptions(to: ConnectTo): ChannelOptions {
  return {
    ...messageOptions(to.messageBytesMax),
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MS_MIN,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
    'grpc.service_config_disable_resolution': 1,
    // Links between our own services never go through a proxy that the environment names.
    'grpc.enable_http_proxy': 0,
    // Streams are replayed by nobody: a call in flight on a broken stream has failed.
    'grpc.enable_retries': 0,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    ...nameOptions(to),
  };
}

/** @throws when what the texts hold is no certificate or key. */
export function clientCredentials({ address, tls }: ConnectTo): ChannelCredentials {
  if (tls === undefined || address.startsWith('unix:')) return credentials.createInsecure();
  const ip = tls.serverName === undefined ? ipOf(address) : undefined;
  return credentials.createSsl(
    pem(tls.certificateAuthority),
    pem(tls.privateKey),
    pem(tls.certificate),
    ip === undefined
      ? {}
      : {
          checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
            checkServerIdentity(ip, certificate),
        },
  );
}

function nameOptions({ address, tls }: ConnectTo): ChannelOptions {
  if (tls === undefined || address.startsWith('unix:')) return {};
  const { serverName } = tls;
  if (serverName !== undefined) {
    return { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName };
  }
  if (ipOf(address) === undefined) return {};
  // grpc-js would send the address as server name, which TLS forbids and Node refuses. It can only be
  // told another name to send: a reserved one, that no server has a certificate for.
  return { 'grpc.ssl_target_name_override': 'ip.invalid' };
}

/** `10.0.0.1` of `10.0.0.1:9280`, `::1` of `[::1]:9280`; undefined for a name. */
function ipOf(address: string): string | undefined {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return isIP(host) === 0 ? undefined : host;
}

function pem(text: string | Buffer | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
