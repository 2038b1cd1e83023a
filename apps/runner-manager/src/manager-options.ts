import type { GatewayConfig, Logger } from '@polygate/chassis';
import type { ServerTls } from '@polygate/rpc';
import type { Tracer } from '@opentelemetry/api';

/** A command we start and watch over, or a socket where someone else's runner listens. */
export type RunnerSource =
  /** `ext-plugin.cmd`: program and arguments, run without a shell. */
  { readonly cmd: readonly string[] } | ExternalRunnerSource;

/** `ext-plugin.path_for_test`. */
export interface ExternalRunnerSource {
  readonly socketPath: string;
  /** See `Runner`. Default false. */
  readonly requiresReplyId?: boolean;
}

export type ManagerLog = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

export interface RunnerManagerOptions {
  /** Where data planes connect: `unix:/path` or `host:port`, port 0 for a free one. */
  readonly listen: string;
  readonly tls?: ServerTls | undefined;
  /** undefined: every call fails with UNAVAILABLE. */
  readonly runner: RunnerSource | undefined;
  /** What the runner sees of our environment: `NAME`, or `NAME=value`, as `nginx_config.envs`. */
  readonly envs: readonly string[];
  /** Folder of the runners' sockets; made for our user only. Keep it short. */
  readonly runDir: string;
  readonly log: ManagerLog;
  /** undefined: calls are not traced, at no cost. */
  readonly tracer?: Tracer | undefined;
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
  /** From SIGTERM to SIGKILL. */
  readonly stopGraceMs: number;
  readonly logLineBytesMax: number;
  readonly logLinesPerSecondMax: number;
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
  respawnDelayMsMin: 1000,
  respawnDelayMsMax: 30_000,
  stableRunMs: 30_000,
  stopGraceMs: 1000,
  logLineBytesMax: 3800,
  logLinesPerSecondMax: 200,
};

/** What the configuration file says. As in APISIX, `path_for_test` comes before `cmd`. */
export function managerOptionsFrom(
  { extPlugin, nginxEnvs, polygate }: GatewayConfig,
  log: ManagerLog,
  tracer: Tracer | undefined,
): RunnerManagerOptions {
  const { cmd, pathForTest } = extPlugin;
  const started = cmd === undefined ? undefined : { cmd };
  return {
    listen: polygate.runnerManager.listen,
    runner: pathForTest === undefined ? started : { socketPath: pathForTest },
    envs: nginxEnvs,
    runDir: polygate.runDir,
    log,
    tracer,
    limits: { callTimeoutMs: polygate.runnerManager.callTimeoutMs },
  };
}
