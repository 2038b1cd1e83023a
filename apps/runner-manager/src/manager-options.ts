import type { GatewayConfig, Logger, RunnerConfig, Telemetry } from '@polygate/chassis';
import { readServerTls, type ServerTls } from '@polygate/rpc';
import type { Meter, Tracer } from '@opentelemetry/api';

export type ManagerLog = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

export interface RunnerManagerOptions {
  /** Where data planes connect: `unix:/path` or `host:port`, port 0 for a free one. */
  readonly listen: string;
  readonly tls?: ServerTls | undefined;
  /** Pools by their names; a call to any other fails with UNAVAILABLE. */
  readonly runners: readonly RunnerConfig[];
  /** Folder of the runners' sockets; only our user can list it. Keep it short. */
  readonly runDir: string;
  readonly log: ManagerLog;
  /** undefined: calls are not traced, at no cost. */
  readonly tracer?: Tracer | undefined;
  /** undefined: no metrics are sent. */
  readonly meter?: Meter | undefined;
  readonly limits?: Partial<RunnerLimits>;
}

export interface RunnerLimits {
  /** A connection carries one call at a time. */
  readonly connectionsMax: number;
  /** Calls that wait for a connection; more fail with OVERLOADED. */
  readonly waitingCallsMax: number;
  /** Calls in flight on one stream of a data plane worker; more fail with OVERLOADED. */
  readonly callsPerStreamMax: number;
  /** Answers a data plane has not read yet; more become OVERLOADED. */
  readonly unreadBytesMax: number;
  /** Questions of one call that wait for an answer. */
  readonly openQuestionsMax: number;
  /** As in APISIX (`rpc_call`, `settimeouts`). */
  readonly connectTimeoutMs: number;
  /** Where the call names none, and for handing over a conf. */
  readonly callTimeoutMs: number;
  /** The Python runner hangs up after 60 s: we go first. */
  readonly connectionIdleMs: number;
  readonly confTokensMax: number;
  /** 0.9 of the `APISIX_CONF_EXPIRE_TIME` that the runner is told. */
  readonly confTokenTtlMs: number;
  /** How long calls wait for a runner that is starting. */
  readonly startWaitMs: number;
  readonly respawnDelayMsMin: number;
  readonly respawnDelayMsMax: number;
  /** A run this long makes the next delay the smallest again. */
  readonly stableRunMs: number;
  /** After so many shorter runs in a row: CRASH_LOOP, and the longest delay from then on. */
  readonly crashLoopRuns: number;
  /** How long the calls of an old generation may take to end. */
  readonly drainMsMax: number;
  /** Between two looks at files with `watch`, and at memory with `memoryBytesMax`. */
  readonly watchIntervalMs: number;
  readonly logLineBytesMax: number;
  /** Of one instance; more are counted and left out. */
  readonly logLinesPerSecondMax: number;
  /** Per pool, for `lastLines`. */
  readonly logLinesKeptMax: number;
  readonly logBytesKeptMax: number;
  /** Per pool, for `recentRestarts`. */
  readonly restartsKeptMax: number;
}

/** What the runner is told; its tokens live a little longer, each in its own way. */
export const CONF_EXPIRE_SECONDS = 3600;

export const DEFAULT_LIMITS: RunnerLimits = {
  connectionsMax: 256,
  waitingCallsMax: 2048,
  callsPerStreamMax: 4096,
  unreadBytesMax: 64 * 1024 * 1024,
  openQuestionsMax: 64,
  connectTimeoutMs: 1000,
  callTimeoutMs: 60_000,
  connectionIdleMs: 50_000,
  confTokensMax: 10_000,
  confTokenTtlMs: CONF_EXPIRE_SECONDS * 900,
  startWaitMs: 5000,
  respawnDelayMsMin: 250,
  respawnDelayMsMax: 30_000,
  stableRunMs: 30_000,
  crashLoopRuns: 6,
  drainMsMax: 30_000,
  watchIntervalMs: 1000,
  logLineBytesMax: 3800,
  logLinesPerSecondMax: 200,
  logLinesKeptMax: 200,
  logBytesKeptMax: 128 * 1024,
  restartsKeptMax: 32,
};

/** What the configuration file says. @throws when a certificate cannot be read any more. */
export function managerOptionsFrom(
  { polygate }: GatewayConfig,
  log: ManagerLog,
  { tracer, meter }: Pick<Telemetry, 'tracer' | 'meter'>,
): RunnerManagerOptions {
  const { listen, listenTls, callTimeoutMs } = polygate.runnerManager;
  return {
    listen,
    tls: listenTls && readServerTls(listenTls),
    runners: polygate.runners,
    runDir: polygate.runDir,
    log,
    tracer,
    meter,
    limits: { callTimeoutMs },
  };
}
