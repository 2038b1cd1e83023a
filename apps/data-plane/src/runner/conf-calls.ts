import { GatewayError } from '@polygate/plugin-sdk';
import type { ExternalCalls, ExternalConf, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { AskedInfo } from './asked-info.ts';
import { cutConf, DEFAULT_RUNNER, type ConfSegment } from './conf-segments.ts';
import {
  bodyAtHand,
  KNOWN_BODY_BYTES_MAX,
  RequestConversation,
  ResponseConversation,
  type CallTerms,
} from './conversation.ts';
import type { ExternalPluginsOptions, RunnerSettings } from './external-plugins.ts';
import { encodeConf } from './frames/call-frames.ts';
import { isRunnerFailure, outcomeOf } from './policy/call-outcome.ts';
import { CircuitBreaker } from './policy/circuit-breaker.ts';
import type { OwnerInFlight, OwnersInFlight } from './policy/owners-in-flight.ts';
import { keepSentBody } from './sent-body.ts';
import { callLabels } from './policy/runner-metrics.ts';
import type { BreakerReport, CallLabels } from './policy/runner-metrics.ts';

/** What a frame of the runner protocol, 16 MiB - 1, holds beside its own bytes. */
const BODY_BYTES_MAX = 0xff_ffff - 64;

export interface ConfCallsOptions extends Omit<ExternalPluginsOptions, 'runners'> {
  /** As the configuration has them now. */
  readonly runners: () => readonly RunnerSettings[];
  readonly owners: OwnersInFlight;
  readonly onReleased: () => void;
}

/** A run of entries in one runner, with all that can be made before the first call. */
interface Segment {
  readonly problem: string | undefined;
  readonly runner: string;
  readonly key: string;
  readonly labels: CallLabels;
  readonly breaker: CircuitBreaker | undefined;
  readonly terms: Omit<CallTerms, 'ended'>;
}

/** The calls of one conf: to one runner, or to several one after another. */
export class ConfCalls implements ExternalCalls {
  readonly #conf: ExternalConf;
  readonly #options: ConfCallsOptions;
  #segments: readonly Segment[];
  readonly #inFlight: OwnerInFlight;
  readonly #inFlightMax: number;
  #isReleased = false;

  constructor(conf: ExternalConf, options: ConfCallsOptions) {
    this.#conf = conf;
    this.#options = options;
    this.#inFlightMax = conf.policy.inFlightMax ?? Infinity;
    this.#inFlight = options.owners.acquire(conf.owner);
    this.#segments = this.#cut();
  }

  /** The runners are others now: its plugins may live elsewhere. Calls under way end where they are. */
  takeRunners(): void {
    const before = this.#segments;
    this.#segments = this.#cut();
    // After the new ones: what stays is not told of.
    this.#releaseConfs(before);
  }

  breakers(): readonly BreakerReport[] {
    const { owner } = this.#conf;
    return this.#segments.flatMap(({ breaker, runner }) =>
      breaker === undefined ? [] : [{ owner, runner, state: breaker.state }],
    );
  }

  handleRequest(ctx: RequestContext): Promise<LocalReply | undefined> {
    const [first] = this.#segments;
    if (this.#segments.length === 1) return this.#askAboutRequest(ctx, first as Segment);
    return this.#askAllAboutRequest(ctx);
  }

  keepRequestBody(ctx: RequestContext): void {
    if (!ctx.request.hasBody || bodyAtHand(ctx) !== undefined) return;
    keepSentBody(ctx, this.#conf.policy.requestBodyBytesMax ?? BODY_BYTES_MAX);
  }

  async handleResponse(ctx: RequestContext): Promise<void> {
    for (const segment of this.#segments) await this.#askAboutResponse(ctx, segment);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#options.owners.release(this.#conf.owner);
    this.#releaseConfs(this.#segments);
    this.#options.onReleased();
  }

  #releaseConfs(segments: readonly Segment[]): void {
    for (const { key, terms } of segments) this.#options.client.release(key, terms.conf.runner);
  }

  #cut(): readonly Segment[] {
    return cutConf(this.#conf, this.#options.runners()).map((cut) => this.#segmentOf(cut));
  }

  #segmentOf({ runner, key, plugins, problem }: ConfSegment): Segment {
    const { client, shared, runners, callTimeoutMs, traceContext } = this.#options;
    const { owner, policy } = this.#conf;
    const settings = runners().find(({ name }) => name === runner);
    const timeoutMs = policy.timeoutMs ?? settings?.callTimeoutMs ?? callTimeoutMs;
    const reference = { key, plugins: [...plugins] };
    const wireRunner = runner === DEFAULT_RUNNER ? '' : runner;
    client.hold(reference, wireRunner);
    return {
      problem,
      runner,
      key,
      labels: callLabels(runner, plugins[0]?.name ?? ''),
      breaker:
        policy.breaker &&
        new CircuitBreaker(shared, `${owner}#${runner}`, policy.breaker, timeoutMs),
      terms: {
        conf: { conf: encodeConf(reference), runner: wireRunner },
        asked: new AskedInfo(),
        timeoutMs,
        retries: policy.retries,
        requestBodyBytesMax: policy.requestBodyBytesMax ?? BODY_BYTES_MAX,
        responseBodyBytesMax: policy.responseBodyBytesMax ?? BODY_BYTES_MAX,
        traceContext,
      },
    };
  }

  async #askAllAboutRequest(ctx: RequestContext): Promise<LocalReply | undefined> {
    for (const segment of this.#segments) {
      const reply = await this.#askAboutRequest(ctx, segment);
      if (reply !== undefined) return reply;
    }
    return undefined;
  }

  #askAboutRequest(ctx: RequestContext, segment: Segment): Promise<LocalReply | undefined> {
    return new Promise((resolve, reject) => {
      const terms = this.#begin(segment);
      const call = new RequestConversation(ctx, terms, { resolve, reject });
      this.#send(call);
    });
  }

  async #askAboutResponse(ctx: RequestContext, segment: Segment): Promise<void> {
    const body = await bodyAhead(ctx, segment);
    return new Promise((resolve, reject) => {
      const terms = this.#begin(segment);
      const settle = { resolve, reject };
      const call = new ResponseConversation(ctx, terms, { settle, body });
      this.#send(call);
    });
  }

  #send(call: RequestConversation | ResponseConversation): void {
    try {
      this.#options.client.send(call);
    } catch (error) {
      call.onError(error);
    }
  }

  /** Throws where the call may not be made. Otherwise `ended` of what it returns has to be called. */
  #begin(segment: Segment): CallTerms {
    const refusal = this.#refusal(segment);
    if (refusal !== undefined) {
      this.#options.metrics.countCall(segment.labels, outcomeOf(refusal), 0);
      throw refusal;
    }
    this.#inFlight.count++;
    const startedMs = performance.now();
    return {
      ...segment.terms,
      ended: (error) => this.#end(segment, error, performance.now() - startedMs),
    };
  }

  #end({ breaker, labels }: Segment, error: unknown, durationMs: number): void {
    this.#inFlight.count--;
    const outcome = error === undefined ? 'ok' : outcomeOf(error);
    this.#options.metrics.countCall(labels, outcome, durationMs);
    if (breaker === undefined) return;
    if (outcome === 'ok') breaker.succeeded();
    else if (isRunnerFailure(outcome)) breaker.failed();
  }

  #refusal({ problem, runner, breaker }: Segment): GatewayError | undefined {
    if (problem !== undefined) return new GatewayError('RUNNER_FAILED', problem);
    if (this.#inFlight.count >= this.#inFlightMax) {
      const text = `overloaded: ${this.#inFlight.count} calls of ${this.#conf.owner} are under way`;
      return new GatewayError('RUNNER_OVERLOADED', text);
    }
    if (breaker?.admit() !== false) return undefined;
    const text = `the circuit breaker of ${this.#conf.owner} and runner ${runner} is open`;
    return new GatewayError('RUNNER_CIRCUIT_OPEN', text);
  }
}

/** A short body that the runner asked for lately: it is read now, and travels with the call. */
async function bodyAhead(
  { response }: RequestContext,
  { terms }: Segment,
): Promise<Buffer | undefined> {
  if (!terms.asked.responseBody) return undefined;
  const length = Number(response.headers.getKnown('content-length') ?? Infinity);
  if (!(length <= Math.min(KNOWN_BODY_BYTES_MAX, terms.responseBodyBytesMax))) return undefined;
  return await response.readBody(terms.responseBodyBytesMax);
}
