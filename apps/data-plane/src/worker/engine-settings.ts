import type { GatewayConfig } from '@polygate/chassis';
import type { ClientTimeoutsMs } from '../server/http1-options.ts';
import type { Listener } from '../server/listeners.ts';

/** Clear text first. */
export function listenersOf({ nodeListen }: GatewayConfig): readonly Listener[] {
  return nodeListen.map(({ host, port, http2 }) => ({ host, port, http2, tls: false }));
}

export function clientTimeouts({ http }: GatewayConfig): ClientTimeoutsMs {
  return {
    header: http.clientHeaderTimeoutMs,
    body: http.clientBodyTimeoutMs,
    send: http.sendTimeoutMs,
    idle: http.keepaliveTimeoutMs,
    total: Infinity,
  };
}

/** Bytes of a request body; Infinity: no limit. */
export function clientBodyLimit({ http }: GatewayConfig): number {
  return http.clientMaxBodyBytes === 0 ? Infinity : http.clientMaxBodyBytes;
}
