import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { ConfigError } from '@polygate/model';
import { StoreError } from '../errors.ts';
import {
  callUnary,
  type EtcdCallName,
  type EtcdCalls,
  isAuthNotEnabled,
  isOutOfReach,
  isTimeout,
  isTokenRefused,
  openWatchStream,
  REPEATABLE,
  toStoreError,
  wasNeverSent,
  type WatchStream,
} from './etcd-rpc.ts';

export interface EtcdTlsOptions {
  /** PEM file of authorities to trust instead of the built-in ones. */
  readonly caFile?: string;
  /** Client certificate and its key, PEM files; both or neither. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** False accepts any server certificate. Default true. */
  readonly verify?: boolean;
  /** Name to ask for (SNI) and to expect in the certificate. */
  readonly serverName?: string;
}

export interface EtcdConnectionOptions {
  /** `http://host:port` or `https://host:port`; tried in turn. */
  readonly endpoints: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** Limit of one call, all its attempts included. */
  readonly timeoutMs: number;
  readonly tls?: EtcdTlsOptions;
  /**
   * Pings on a connection with an open watch, so that a silent loss is noticed after this and
   * `keepAliveTimeoutMs`. etcd refuses less than its `--grpc-keepalive-min-time` (5 s).
   */
  readonly keepAliveMs?: number;
  readonly keepAliveTimeoutMs?: number;
  /** A larger answer is asked for in smaller pages. Default 256 MiB; at least 4 MiB. */
  readonly answerBytesMax?: number;
}

interface Endpoint {
  readonly connect: () => grpc.Client;
  client: grpc.Client;
}

const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/**
 * The way to one etcd cluster: stays on one endpoint while it answers and moves to the next when it
 * does not; fetches the auth token and renews it when etcd no longer knows it.
 */
export class EtcdConnection {
  readonly #endpoints: readonly Endpoint[];
  readonly #options: EtcdConnectionOptions;
  #current = 0;
  #token: Promise<string | undefined> | undefined;
  #closed = false;

  /** Reads the TLS files; throws ConfigError for a bad endpoint or a file it cannot read. */
  constructor(options: EtcdConnectionOptions) {
    if (options.endpoints.length === 0) throw new ConfigError('etcd: no endpoints');
    this.#options = options;
    this.#endpoints = options.endpoints.map((url) => createEndpoint(url, options));
  }

  get endpointCount(): number {
    return this.#endpoints.length;
  }

  /** Rejects with StoreError. A write that may have been done is not repeated. */
  async call<N extends EtcdCallName>(
    name: N,
    request: EtcdCalls[N][0],
    signal?: AbortSignal,
  ): Promise<EtcdCalls[N][1]> {
    const deadline = Date.now() + this.#options.timeoutMs;
    let endpointsLeft = this.#endpoints.length;
    let tokenRenewed = false;
    for (;;) {
      const endpoint = this.#endpoint();
      const { client } = endpoint;
      let sent = false;
      try {
        // An endpoint that stays silent must leave time for the others.
        const share = Date.now() + Math.max(1, (deadline - Date.now()) / endpointsLeft);
        const metadata = await this.#metadata(endpoint, share);
        sent = true;
        return await callUnary(client, name, request, {
          metadata,
          deadline: share,
          signal,
        });
      } catch (error) {
        if (isTokenRefused(error) && this.#options.username !== undefined && !tokenRenewed) {
          tokenRenewed = true;
          this.#token = undefined;
          continue;
        }
        if (!isOutOfReach(error) || signal?.aborted) throw toStoreError(error, name);
        if (isTimeout(error)) reconnect(endpoint, client);
        this.#leave(endpoint);
        endpointsLeft -= 1;
        const repeatable = !sent || REPEATABLE.has(name) || wasNeverSent(error);
        if (endpointsLeft === 0 || !repeatable) throw toStoreError(error, name);
      }
    }
  }

  /**
   * Opens a watch stream on the current endpoint. `failed` tells that it broke or was refused, so
   * that the next one goes to another endpoint, and with a fresh token unless only the way broke.
   */
  async openWatch(): Promise<{ stream: WatchStream; failed: (error: unknown) => void }> {
    const endpoint = this.#endpoint();
    const failed = (error: unknown) => {
      this.#leave(endpoint);
      // etcd 3.4 calls a stale token "permission denied" here: any refusal may be one.
      if (!isOutOfReach(error)) this.#token = undefined;
    };
    try {
      const deadline = Date.now() + this.#options.timeoutMs;
      const metadata = (await this.#metadata(endpoint, deadline)).clone();
      // A member cut off from its cluster then ends the stream instead of staying silent.
      metadata.set('hasleader', 'true');
      return { stream: openWatchStream(endpoint.client, metadata), failed };
    } catch (error) {
      failed(error);
      throw toStoreError(error, 'Watch');
    }
  }

  close(): void {
    this.#closed = true;
    for (const { client } of this.#endpoints) client.close();
  }

  #endpoint(): Endpoint {
    const endpoint = this.#endpoints[this.#current];
    if (this.#closed || !endpoint) throw new StoreError('UNAVAILABLE', 'etcd: the store is closed');
    return endpoint;
  }

  /** Moves on, unless another call has already done so. */
  #leave(endpoint: Endpoint): void {
    if (this.#endpoints[this.#current] !== endpoint) return;
    this.#current = (this.#current + 1) % this.#endpoints.length;
  }

  async #metadata(endpoint: Endpoint, deadline: number): Promise<grpc.Metadata> {
    const metadata = new grpc.Metadata();
    if (this.#options.username === undefined) return metadata;
    this.#token ??= this.#authenticate(endpoint, deadline);
    const pending = this.#token;
    try {
      const token = await pending;
      if (token !== undefined) metadata.set('token', token);
      return metadata;
    } catch (error) {
      if (this.#token === pending) this.#token = undefined;
      throw error;
    }
  }

  async #authenticate(endpoint: Endpoint, deadline: number): Promise<string | undefined> {
    const { username = '', password = '' } = this.#options;
    const metadata = new grpc.Metadata();
    const request = { name: username, password };
    try {
      const answer = await callUnary(endpoint.client, 'Auth.Authenticate', request, {
        metadata,
        deadline,
      });
      return answer.token;
    } catch (error) {
      // A user is configured but etcd wants none: etcd's own client goes on without, so do we.
      if (isAuthNotEnabled(error)) return undefined;
      throw error;
    }
  }
}

function createEndpoint(url: string, options: EtcdConnectionOptions): Endpoint {
  const parsed = URL.parse(url);
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol) || parsed.host === '') {
    throw new ConfigError(`etcd: not an http(s) endpoint: ${url}`);
  }
  const secure = parsed.protocol === 'https:';
  // An explicit port: URL drops the scheme's default one, and grpc would take 443 for both.
  const target = parsed.port === '' ? `${parsed.host}:${secure ? 443 : 80}` : parsed.host;
  const identity = secure ? expectedIdentity(parsed.hostname, options.tls) : {};
  const credentials = secure
    ? tlsCredentials(options.tls ?? {}, identity.ip)
    : grpc.credentials.createInsecure();
  const channelOptions = {
    'grpc.keepalive_time_ms': options.keepAliveMs ?? 10_000,
    'grpc.keepalive_timeout_ms': options.keepAliveTimeoutMs ?? 5_000,
    'grpc.max_receive_message_length': options.answerBytesMax ?? ANSWER_BYTES_MAX,
    // The store has its own back-off; grpc's would keep an endpoint down for up to two minutes.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    'grpc.use_local_subchannel_pool': 1,
    // An http_proxy in the environment is meant for the world outside.
    'grpc.enable_http_proxy': 0,
    ...identity.channelOptions,
  };
  const connect = () => new grpc.Client(target, credentials, channelOptions);
  return { connect, client: connect() };
}

/**
 * A fresh connection in place of `silent`, which may be dead: keep-alive pings go only while a
 * watch is open (etcd refuses others), so a process that only reads and writes would not notice.
 */
function reconnect(endpoint: Endpoint, silent: grpc.Client): void {
  if (endpoint.client !== silent) return;
  endpoint.client = endpoint.connect();
  silent.close();
}

/** What the certificate must be for, where that is not the endpoint's host name. */
interface Identity {
  readonly ip?: string;
  readonly channelOptions?: grpc.ChannelOptions;
}

function expectedIdentity(hostname: string, tls: EtcdTlsOptions | undefined): Identity {
  const name = tls?.serverName;
  if (name !== undefined) {
    return {
      channelOptions: { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name },
    };
  }
  const ip = hostname.replace(/^\[|\]$/g, '');
  if (isIP(ip) === 0) return {};
  // grpc would send the address as server name, which TLS forbids and Node 26 refuses. It can only
  // be told another name to send: a reserved one, that no server has a certificate for.
  return { ip, channelOptions: { 'grpc.ssl_target_name_override': 'ip.invalid' } };
}

function tlsCredentials(tls: EtcdTlsOptions, ip: string | undefined): grpc.ChannelCredentials {
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    throw new ConfigError('etcd.tls: cert and key belong together');
  }
  const read = (file: string | undefined) => (file === undefined ? null : readPem(file));
  return grpc.credentials.createSsl(read(tls.caFile), read(tls.keyFile), read(tls.certFile), {
    rejectUnauthorized: tls.verify ?? true,
    ...(ip !== undefined && {
      checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
        checkServerIdentity(ip, certificate),
    }),
  });
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new ConfigError(`etcd.tls: cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}
