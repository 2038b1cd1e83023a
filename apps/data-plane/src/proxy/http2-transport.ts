import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { NameResolver } from '../dns/name-resolver.ts';
import type { HeadLimits } from '../http1/head-parser.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import type { KeepaliveSettings } from '../upstream/compiled-upstream.ts';
import { Http2Call } from './http2-call.ts';
import { Http2Session } from './http2-session.ts';
import { serverNameOf, tlsKeyOf, tlsOptionsOf } from './node-tls.ts';
import type { UpstreamRequest, UpstreamTransport } from './upstream-transport.ts';

export interface Http2TransportOptions {
  readonly deadlines: Deadlines;
  readonly headLimits: Pick<HeadLimits, 'headBytesMax' | 'headersMax'>;
  /** For upstreams without a `keepalive_pool`. */
  readonly keepalive: KeepaliveSettings;
  /** Send the name of `:authority` in the TLS handshake. */
  readonly tlsServerName: boolean;
  readonly names: NameResolver;
}

interface SessionSettings {
  /** For SNI. */
  readonly name: string | undefined;
  readonly keepalive: KeepaliveSettings;
  readonly streamsMax: number | undefined;
}

/** A timer that long is none. */
const IDLE_MS_MAX = 24 * 3_600_000;

/**
 * HTTP/2 to nodes of `grpc` and `grpcs` upstreams. Each node and TLS identity has as many connections as
 * its calls need: one, until the node's limit of concurrent streams is reached.
 */
export function createHttp2Transport(options: Http2TransportOptions): UpstreamTransport {
  const sessions = new Map<string, Set<Http2Session>>();

  const sessionFor = (request: UpstreamRequest): Http2Session => {
    const { upstream, node } = request;
    const isTls = upstream.scheme === 'grpcs';
    const name = isTls && options.tlsServerName ? serverNameOf(request.host) : undefined;
    const identity = isTls ? tlsKeyOf(upstream, name) : '';
    const keepalive = upstream.keepalive ?? options.keepalive;
    const { idleTimeoutMs, requestsMax } = keepalive;
    const key = `${upstream.scheme} ${node.label} ${identity} ${idleTimeoutMs} ${requestsMax}`;
    let known = sessions.get(key);
    if (known === undefined) {
      known = new Set();
      sessions.set(key, known);
    }
    let streamsMax: number | undefined;
    for (const session of known) {
      if (session.hasRoom) return session;
      streamsMax = session.streamsMax;
    }
    const session = open(request, { name, keepalive, streamsMax }, () => forget(key, session));
    known.add(session);
    return session;
  };

  const open = (
    { upstream, node }: UpstreamRequest,
    { name, keepalive, streamsMax }: SessionSettings,
    onClosed: () => void,
  ): Http2Session => {
    const { lookup } = options.names;
    const target = { host: node.host, port: node.port, lookup };
    const socket: Socket =
      upstream.scheme === 'grpcs'
        ? connectTls({ ...target, ...tlsOptionsOf(upstream, name, 'h2') })
        : connect(target);
    const limits = {
      ...options.headLimits,
      idleTimeoutMs: Math.min(keepalive.idleTimeoutMs, IDLE_MS_MAX),
      requestsMax: keepalive.requestsMax,
      streamsMax,
    };
    return new Http2Session(socket, limits, options.deadlines, onClosed);
  };

  const forget = (key: string, session: Http2Session): void => {
    const known = sessions.get(key);
    known?.delete(session);
    if (known?.size === 0) sessions.delete(key);
  };

  return {
    send(request, receiver) {
      const call = new Http2Call(request, receiver, () => sessionFor(request), options.deadlines);
      call.begin();
      return call;
    },
    close() {
      for (const known of sessions.values()) {
        for (const session of known) session.retire();
      }
      sessions.clear();
    },
  };
}
