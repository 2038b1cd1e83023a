import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { hostWithoutPort } from '../request/request-target.ts';
import type {
  CompiledNode,
  CompiledUpstream,
  KeepaliveSettings,
} from '../upstream/compiled-upstream.ts';
import { Http1Call } from './http1-call.ts';
import type { UpstreamConnectionOptions } from './http1-upstream-connection.ts';
import { UpstreamPool } from './upstream-pool.ts';
import type { UpstreamRequest, UpstreamTransport } from './upstream-transport.ts';

/** Pools of nodes that nobody asks for any more are looked for that often. */
const SWEEP_MS = 30_000;

export interface Http1TransportOptions extends UpstreamConnectionOptions {
  /** For upstreams without a `keepalive_pool`. */
  readonly keepalive: KeepaliveSettings;
  /** Send the name of the Host header in the TLS handshake. */
  readonly tlsServerName: boolean;
}

/**
 * HTTP/1.1 to nodes, over pools that survive configuration changes: they belong to an address and a TLS
 * identity, not to an upstream object.
 */
export function createHttp1Transport(options: Http1TransportOptions): UpstreamTransport {
  const pools = new Map<string, UpstreamPool>();
  /** Plain nodes have one pool each; asking a string map per request would cost more. */
  let poolOfNode = new WeakMap<CompiledNode, UpstreamPool>();

  const poolFor = (request: UpstreamRequest): UpstreamPool => {
    const { upstream, node } = request;
    if (upstream.scheme === 'https') return findPool(upstream, node, serverName(request, options));
    const known = poolOfNode.get(node);
    if (known !== undefined) return known;
    const pool = findPool(upstream, node, undefined);
    poolOfNode.set(node, pool);
    return pool;
  };

  const findPool = (
    upstream: CompiledUpstream,
    node: CompiledNode,
    name: string | undefined,
  ): UpstreamPool => {
    const keepalive = upstream.keepalive ?? options.keepalive;
    const { size, idleTimeoutMs, requestsMax } = keepalive;
    const identity = upstream.scheme === 'https' ? `${name ?? ''} ${upstream.tls?.identity}` : '';
    const key = `${upstream.scheme} ${node.label} ${identity} ${size} ${idleTimeoutMs} ${requestsMax}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      const tls = upstream.scheme === 'https' ? tlsOptions(upstream, name) : undefined;
      pool = new UpstreamPool({ host: node.host, port: node.port, tls, keepalive }, options);
      pools.set(key, pool);
    }
    return pool;
  };

  const sweep = setInterval(() => {
    for (const [key, pool] of pools) {
      if (pool.isEmpty) pools.delete(key);
    }
    poolOfNode = new WeakMap();
  }, SWEEP_MS);
  sweep.unref();

  return {
    send(request, receiver) {
      const connection = poolFor(request).take();
      const call = new Http1Call(request, receiver, connection);
      connection.begin(call);
      return call;
    },
    close() {
      clearInterval(sweep);
      for (const pool of pools.values()) pool.close();
      pools.clear();
      poolOfNode = new WeakMap();
    },
  };
}

function serverName(request: UpstreamRequest, options: Http1TransportOptions): string | undefined {
  if (!options.tlsServerName) return undefined;
  const name = hostWithoutPort(request.host);
  return name === '' || isIP(name) !== 0 || name.startsWith('[') ? undefined : name;
}

/** As nginx's proxy_ssl_verify off and proxy_ssl_server_name on, which APISIX runs with. */
function tlsOptions({ tls }: CompiledUpstream, name: string | undefined): ConnectionOptions {
  return {
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: tls?.verify ?? false,
    ...(name === undefined ? {} : { servername: name }),
    ...(tls?.secureContext === undefined ? {} : { secureContext: tls.secureContext }),
  };
}
