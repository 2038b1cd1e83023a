import type { GatewayConfig } from '@polygate/chassis';
import type { NameResolver } from '../dns/name-resolver.ts';
import { createHttp2Acceptor } from '../http2/http2-acceptor.ts';
import { createHttp1Transport } from '../proxy/http1-transport.ts';
import { createHttp2Transport } from '../proxy/http2-transport.ts';
import { transportByScheme } from '../proxy/transport-by-scheme.ts';
import type { UpstreamTransport } from '../proxy/upstream-transport.ts';
import type { Exchange } from '../request/exchange.ts';
import type { Gateway } from '../server/gateway.ts';
import type { Refusal } from '../server/http1-options.ts';
import { startListeners } from '../server/listeners.ts';
import type { GatewayListeners } from '../server/listeners.ts';
import { makeLocalAnswer } from '../server/local-answer.ts';
import { handleRequest } from '../server/request-flow.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import { createTlsAcceptor } from '../tls/tls-acceptor.ts';
import { clientBodyLimit, clientTimeouts } from './engine-settings.ts';
import type { WorkerStart } from './messages.ts';

/** nginx's keepalive_requests. */
const KEEPALIVE_REQUESTS_MAX = 1000;

/** Clients whose handshake is not through; of slow ones there may be many. */
const HANDSHAKES_PENDING_MAX = 4096;
const RESPONSE_HEADERS_MAX = 1000;

/** Speaks to nodes: HTTP/1.1, or HTTP/2 where they are of gRPC. */
export function createTransport(
  config: GatewayConfig,
  deadlines: Deadlines,
  names: NameResolver,
): UpstreamTransport {
  const { http, polygate } = config;
  const { connectionsMax, requestsMax, idleTimeoutMs } = http.upstreamKeepalive;
  const options = {
    deadlines,
    headLimits: {
      headBytesMax: polygate.limits.responseHeadBytesMax,
      headersMax: RESPONSE_HEADERS_MAX,
    },
    keepalive: { size: connectionsMax, requestsMax, idleTimeoutMs },
    tlsServerName: http.upstreamTlsServerName,
    names,
  };
  return transportByScheme(createHttp1Transport(options), createHttp2Transport(options));
}

/** Listens, and serves what comes. */
export async function startEngine(
  { config, listen }: WorkerStart,
  gateway: Gateway,
  deadlines: Deadlines,
): Promise<GatewayListeners> {
  const { limits } = config.polygate;
  const { log, productName } = gateway;
  const http1 = {
    serve: (exchange: Exchange) => handleRequest(exchange, gateway),
    onRefused: ({ status, reason, clientAddress }: Refusal) =>
      log.info(`client ${clientAddress} was answered ${status}: ${reason}`),
    log,
    deadlines,
    headLimits: {
      headBytesMax: limits.requestHeadBytesMax,
      headersMax: limits.requestHeadersMax,
      targetBytesMax: limits.requestTargetBytesMax,
      underscoresInHeaders: config.http.underscoresInHeaders,
    },
    timeoutsMs: clientTimeouts(config),
    bodyBytesMax: clientBodyLimit(config),
    keepaliveRequestsMax: KEEPALIVE_REQUESTS_MAX,
    productName,
  };
  const tls = createTlsAcceptor({
    certificates: () => gateway.holder.current?.certificates,
    log,
    handshakeTimeoutMs: config.http.clientHeaderTimeoutMs,
    handshakesPendingMax: HANDSHAKES_PENDING_MAX,
  });
  const http2 = createHttp2Acceptor({
    ...http1,
    limits,
    refusalPage: (status) => makeLocalAnswer({ status }, productName).body,
  });
  const { connectionsMax } = limits;
  const { traffic } = gateway;
  const options = { listen, connectionsMax, traffic, http1, tls, http2 };
  const listeners = await startListeners(options);
  return {
    listen: listeners.listen,
    async drain(graceMs) {
      await listeners.drain(graceMs);
      tls.close();
    },
  };
}
