import type {
  CompiledNode,
  CompiledUpstream,
  KeepaliveSettings,
} from '../upstream/compiled-upstream.ts';
import type { NameResolver } from '../dns/name-resolver.ts';
import { Http1Call } from './http1-call.ts';
import type { UpstreamConnectionOptions } from './http1-upstream-connection.ts';
import { serverNameOf, tlsKeyOf, tlsOptionsOf } from './node-tls.ts';
import { UpstreamPool } from './upstream-pool.ts';
import type { UpstreamRequest, UpstreamTransport } from './upstream-transport.ts';

/** Pools of nodes that nobody asks for any more are looked for that often. */
const SWEEP_MS = 30_000;

export interface Http1TransportOptions extends UpstreamConnectionOptions {
  /** For upstreams without a `keepalive_pool`. */
  readonly keepalive: KeepaliveSettings;
  /** Send the name of the Host header in the TLS handshake. */
  readonly tlsServerName: boolean;
  readonly names: NameResolver;
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
    if (upstream.scheme === 'https') {
      const name = options.tlsServerName ? serverNameOf(request.host) : undefined;
      return findPool(upstream, node, name);
    }
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
    const identity = upstream.scheme === 'https' ? tlsKeyOf(upstream, name) : '';
    const key = `${upstream.scheme} ${node.label} ${identity} ${size} ${idleTimeoutMs} ${requestsMax}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      const tls =
        upstream.scheme === 'https' ? tlsOptionsOf(upstream, name, 'http/1.1') : undefined;
      const { names } = options;
      pool = new UpstreamPool(
        { host: node.host.toLowerCase(), port: node.port, tls, keepalive, names },
        options,
      );
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
