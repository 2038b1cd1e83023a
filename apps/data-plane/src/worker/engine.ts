import type { GatewayConfig } from '@polygate/chassis';
import { createHttp1Transport } from '../proxy/http1-transport.ts';
import type { UpstreamTransport } from '../proxy/upstream-transport.ts';
import type { Gateway } from '../server/gateway.ts';
import { startListeners } from '../server/listeners.ts';
import type { GatewayListeners } from '../server/listeners.ts';
import { handleRequest } from '../server/request-flow.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import { clientBodyLimit, clientTimeouts } from './engine-settings.ts';
import type { WorkerStart } from './messages.ts';

/** nginx's keepalive_requests and the longest target of its large_client_header_buffers. */
const KEEPALIVE_REQUESTS_MAX = 1000;
const TARGET_BYTES_MAX = 8 * 1024;

/** Speaks to nodes. */
export function createTransport(config: GatewayConfig, deadlines: Deadlines): UpstreamTransport {
  const { http, polygate } = config;
  const { connectionsMax, requestsMax, idleTimeoutMs } = http.upstreamKeepalive;
  return createHttp1Transport({
    deadlines,
    headLimits: { headBytesMax: polygate.limits.responseHeadBytesMax, headersMax: 1000 },
    keepalive: { size: connectionsMax, requestsMax, idleTimeoutMs },
    tlsServerName: http.upstreamTlsServerName,
  });
}

/** Listens, and serves what comes. */
export function startEngine(
  { config, listen }: WorkerStart,
  gateway: Gateway,
  deadlines: Deadlines,
): Promise<GatewayListeners> {
  const { limits } = config.polygate;
  return startListeners({
    listen,
    connectionsMax: limits.connectionsMax,
    traffic: gateway.traffic,
    tls: undefined,
    http2: undefined,
    http1: {
      serve: (exchange) => handleRequest(exchange, gateway),
      onRefused: ({ status, reason, clientAddress }) =>
        gateway.log.info(`client ${clientAddress} was answered ${status}: ${reason}`),
      log: gateway.log,
      deadlines,
      headLimits: {
        headBytesMax: limits.requestHeadBytesMax,
        headersMax: limits.requestHeadersMax,
        targetBytesMax: TARGET_BYTES_MAX,
        underscoresInHeaders: config.http.underscoresInHeaders,
      },
      timeoutsMs: clientTimeouts(config),
      bodyBytesMax: clientBodyLimit(config),
      keepaliveRequestsMax: KEEPALIVE_REQUESTS_MAX,
      productName: gateway.productName,
    },
  });
}
