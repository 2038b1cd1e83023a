import { credentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';

/** The largest runner frame is 16 MiB - 1; names, paths and protobuf's own bytes come on top. */
export const MESSAGE_BYTES_MAX = 17 * 1024 * 1024;
/** Local links carry bodies of megabytes; 64 KiB, the default of HTTP/2, would stall them. */
const FLOW_CONTROL_WINDOW_BYTES = 4 * 1024 * 1024;
const KEEPALIVE_INTERVAL_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 5_000;

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
export function connectOptions(tls?: ClientTls, messageBytesMax?: number): ChannelOptions {
  return {
    ...messageOptions(messageBytesMax),
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MS_MIN,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
    'grpc.service_config_disable_resolution': 1,
    // Links between our own services never go through a proxy that the environment names.
    'grpc.enable_http_proxy': 0,
    // Streams are replayed by nobody: a call in flight on a broken stream has failed.
    'grpc.enable_retries': 0,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    ...(tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
  };
}

export function clientCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(
    pem(tls.certificateAuthority),
    pem(tls.privateKey),
    pem(tls.certificate),
  );
}

function pem(text: string | Buffer | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
