import type { Logger, Variables } from '@polygate/plugin-sdk';
import type { SnapshotHolder } from '../config/snapshot-holder.ts';
import type { WorkerTraffic } from '../metrics/gateway-metrics.ts';
import type { UpstreamTransport } from '../proxy/upstream-transport.ts';
import type { BodyVariableLimits } from '../request/body-variables.ts';
import type { GatewayContext } from '../request/gateway-context.ts';
import type { FindClient } from '../request/real-ip.ts';
import type { TargetRules } from '../request/request-target.ts';

/** What every request of a worker is served with. */
export interface Gateway {
  readonly holder: SnapshotHolder;
  readonly transport: UpstreamTransport;
  readonly traffic: WorkerTraffic;
  readonly log: Logger;
  /** The Server header, and the name on error pages. */
  readonly productName: string;
  /** Bytes of any request body; Infinity: no limit. */
  readonly clientBodyBytesMax: number;
  /** Bytes of a request body that a plugin may have buffered. */
  readonly bodyBytesMax: number;
  /** Bytes of one that variables look into. */
  readonly bodyLimits: BodyVariableLimits;
  /** Bytes of a response body that a filter may hold. */
  readonly responseHoldBytesMax: number;
  readonly showUpstreamStatus: boolean;
  /** `basic.enable` of the debug file, which may change while it runs. */
  debugMode: boolean;
  readonly targetRules: TargetRules;
  readonly trusted: { has(address: string): boolean } | undefined;
  readonly findClient: FindClient;
  /** Opens a span for the request; undefined when tracing is off. */
  readonly trace: ((ctx: GatewayContext) => () => void) | undefined;
  /** Undefined: no access log is written. */
  readonly accessLog: { write(vars: Variables): void } | undefined;
}
