import { createHash } from 'node:crypto';
import { GatewayError } from '@polygate/plugin-sdk';
import type {
  ExternalCallPolicy,
  ExternalCalls,
  ExternalPluginConf,
  GatewayErrorCode,
  LocalReply,
  PluginEnvironment,
  RequestContext,
} from '@polygate/plugin-sdk';
import type { FailureKind, FailurePolicyConf } from './external-call.schema.ts';

/** Conf of every `ext-plugin-…` plugin. */
export interface ExternalCallConf {
  readonly conf?: readonly ExternalPluginConf[];
  readonly allow_degradation: boolean;
  readonly failure_policy?: FailurePolicyConf;
}

export interface ExternalCall {
  readonly calls: ExternalCalls;
  readonly allowDegradation: boolean;
  readonly allowed: ReadonlySet<FailureKind>;
  /** What the client is answered where a runner fails and that is not allowed. */
  readonly status: number;
}

const RUNNER_FAILED_STATUS = 503;

/**
 * The key is `<conf type>#<conf id>#<plugin name>#<conf version>`: a runner keeps one token per
 * key, so pre-req and post-req of one route do not share one. Where secrets are in it, what they are now
 * is part of the version.
 */
export function prepareExternalCall(
  name: string,
  conf: ExternalCallConf,
  { source, external }: PluginEnvironment,
): ExternalCall {
  const owner = `${source.kind}#${source.id}#${name}`;
  const plugins = conf.conf ?? [];
  return {
    calls: external.prepare({
      key: `${owner}#${source.modifiedIndex}${source.hasSecrets ? digestOf(plugins) : ''}`,
      owner,
      plugins,
      policy: policyOf(conf.failure_policy ?? {}),
    }),
    allowDegradation: conf.allow_degradation,
    allowed: new Set(conf.failure_policy?.allow),
    status: conf.failure_policy?.status ?? RUNNER_FAILED_STATUS,
  };
}

function digestOf(plugins: readonly ExternalPluginConf[]): string {
  return `.${createHash('sha256').update(JSON.stringify(plugins)).digest('hex').slice(0, 16)}`;
}

function policyOf(written: FailurePolicyConf): ExternalCallPolicy {
  const { breaker } = written;
  return {
    timeoutMs: written.timeout_ms,
    retries: written.retries,
    inFlightMax: written.in_flight_max,
    requestBodyBytesMax: written.request_body_bytes_max,
    responseBodyBytesMax: written.response_body_bytes_max,
    breaker: breaker && {
      failures: breaker.failures,
      windowMs: breaker.window_ms,
      openMs: breaker.open_ms,
    },
  };
}

export function disposeExternalCall({ calls }: ExternalCall): void {
  calls.release();
}

/** Has runners look at the request. One that fails ends it with 503, or is passed over. */
export function callForRequest(
  ctx: RequestContext,
  call: ExternalCall,
): Promise<LocalReply | undefined> {
  return call.calls.handleRequest(ctx).catch((error: unknown) => replyToFailure(ctx, call, error));
}

/** Before the request is sent: runners may ask for its body when they see the answer. */
export function keepForResponse(ctx: RequestContext, { calls }: ExternalCall): void {
  calls.keepRequestBody(ctx);
}

/** Has runners look at the answer of an upstream. */
export function callForResponse(
  ctx: RequestContext,
  call: ExternalCall,
): Promise<LocalReply | void> {
  return call.calls.handleResponse(ctx).catch((error: unknown) => replyToFailure(ctx, call, error));
}

const FAILURE_KINDS: Readonly<Partial<Record<GatewayErrorCode, FailureKind>>> = {
  RUNNER_UNAVAILABLE: 'unavailable',
  RUNNER_OVERLOADED: 'overloaded',
  RUNNER_CIRCUIT_OPEN: 'circuit_open',
  RUNNER_TIMEOUT: 'timeout',
  RUNNER_FAILED: 'failed',
};

function replyToFailure(
  ctx: RequestContext,
  { allowDegradation, allowed, status }: ExternalCall,
  error: unknown,
): LocalReply | undefined {
  const kind = error instanceof GatewayError ? FAILURE_KINDS[error.code] : undefined;
  // Anything else than the runner failing (a body too large, a bug) has an answer of its own.
  if (kind === undefined) throw error;
  ctx.log.error((error as GatewayError).message);
  if (!allowDegradation && !allowed.has(kind)) return { status };
  ctx.log.warn('Plugin Runner is wrong, allow degradation');
  return undefined;
}
