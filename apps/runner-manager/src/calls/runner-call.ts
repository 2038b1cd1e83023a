import {
  FailureReason,
  type ConfReference,
  type ExtraInfoQuestion,
  type KnownInfo,
} from '@polygate/rpc';
import { ProtocolError, type ExtraInfoRequest } from '@polygate/runner-protocol';
import { CallError } from '../call-error.ts';
import type { RunnerConnection } from '../connection/runner-connection.ts';
import { receiveName, RunnerExchange, type ExchangeOwner } from '../connection/runner-exchange.ts';
import type { RunnerLimits } from '../manager-options.ts';
import type { RunnerInstance } from '../pool/runner-pool.ts';
import type { CallTape } from '../recording/call-tape.ts';
import { AnswerOrder } from './answer-order.ts';
import type { WaitingCall } from './call-queue.ts';
import { knownAnswer } from './known-answers.ts';
import type { PoolTraffic } from './pool-traffic.ts';
import { extraInfoQuestion, type CallKind, type CallResult } from './runner-messages.ts';

/**
 * As in APISIX (`communicate`): after that many times "conf token not found" the call has failed.
 */
const TOKEN_TRIES_MAX = 3;
/** A token younger than this was known to the runner: an odd answer has another reason. */
const DOUBTFUL_TOKEN_AGE_MS = 10_000;
/** Recycled like APISIX's. */
const CALL_ID_MAX = 0x7fff_ffff;
/** A timer above this would fire at once. */
const TIMER_MS_MAX = 0x7fff_ffff;
/** Instances tried at most, also where nothing was sent to those before. */
const INSTANCES_MAX = 8;

/** The Python runner refuses 0. */
const FIRST_CALL_ID = 1;
/** A runner given by `path_for_test` may be one that APISIX is tested with, which wants 0 first. */
const FIRST_TEST_CALL_ID = 0;

let callId = FIRST_CALL_ID;
let testCallId = FIRST_TEST_CALL_ID;

export interface RunnerCallOptions {
  readonly traffic: PoolTraffic;
  readonly kind: CallKind;
  readonly conf: ConfReference;
  readonly known: KnownInfo | undefined;
  /** 0 takes that of the pool. */
  readonly timeoutMs: number;
  readonly retries: number;
  readonly limits: RunnerLimits;
  /** Stands for the stream in the queue. */
  readonly owner: object;
  readonly tape: CallTape | undefined;
  readonly onQuestion: (question: ExtraInfoQuestion) => void;
  /** One of these is called, once. */
  readonly onResult: (result: CallResult) => void;
  readonly onFailure: (error: CallError) => void;
  readonly onCancel: () => void;
}

/**
 * One plugin call, from waiting for an instance to its answer. Callbacks instead of promises: a call
 * that finds a token and an idle connection is written within the turn in which it came.
 */
export class RunnerCall implements WaitingCall, ExchangeOwner {
  readonly frameType: number;
  readonly rpcName: string;
  readonly openQuestionsMax: number;
  readonly tape: CallTape | undefined;
  readonly #options: RunnerCallOptions;
  readonly #deadline: NodeJS.Timeout;
  #isOver = false;
  #retriesLeft: number;
  #tokenTries = 0;
  #tried: Set<RunnerInstance> | undefined;
  #firstError: CallError | undefined;
  #instance: RunnerInstance | undefined;
  /** The last one, also when the call is over. */
  #lastInstance: RunnerInstance | undefined;
  #confToken = 0;
  #callId = 0;
  /** Goes up whenever what is being waited for is no longer wanted. */
  #step = 0;
  #abandon: (() => void) | undefined;
  #exchange: RunnerExchange | undefined;
  #answers: AnswerOrder | undefined;
  /** A runner may have seen it; and before the try that is under way. */
  #wasSent = false;
  #wasSentBefore = false;
  /** An instance that was lost before it was sent has had its second try. */
  #hasTriedTwice = false;
  /** To come from the data plane, to questions of a try that failed. */
  #staleAnswers = 0;

  /** The time runs from here. */
  constructor(options: RunnerCallOptions) {
    const { kind, limits, timeoutMs, traffic } = options;
    this.#options = options;
    this.frameType = kind.frameType;
    this.rpcName = kind.rpcName;
    this.openQuestionsMax = limits.openQuestionsMax;
    this.tape = options.tape;
    this.#retriesLeft = Math.min(options.retries, INSTANCES_MAX);
    const delayMs = timeoutMs === 0 ? traffic.pool.callTimeoutMs : timeoutMs;
    this.#deadline = setTimeout(() => this.#timeOut(), Math.min(delayMs, TIMER_MS_MAX));
  }

  get tried(): ReadonlySet<RunnerInstance> | undefined {
    return this.#tried;
  }

  /** Which it ran on last. */
  get instance(): RunnerInstance | undefined {
    return this.#lastInstance;
  }

  start(): void {
    const { traffic, owner } = this.#options;
    traffic.queue.enter(owner, this);
  }

  /** The data plane's answer to its oldest open question. */
  answer(result: Uint8Array | undefined): void {
    if (this.#staleAnswers > 0) this.#staleAnswers -= 1;
    else this.#answers?.answered(result);
  }

  /** Nobody wants the answer: the connection is cut, nothing is told any more. */
  cancel(): void {
    if (this.#isOver) return;
    this.#breakOff();
    this.#options.onCancel();
  }

  admit(instance: RunnerInstance): void {
    this.#instance = instance;
    this.#lastInstance = instance;
    instance.callsInFlight += 1;
    instance.calls += 1;
    this.#useInstance(instance);
  }

  refuse(error: CallError): void {
    this.#end(this.#firstError ?? error);
  }

  onQuestion(question: ExtraInfoRequest): void {
    this.#answers ??= new AnswerOrder((result) => this.#exchange?.answer(result));
    const known = knownAnswer(this.#options.known, question);
    if (known !== undefined) return this.#answers.known(known);
    this.#answers.asked();
    this.#options.onQuestion(extraInfoQuestion(question));
  }

  onAnswer(payload: Buffer): void {
    const { kind, traffic } = this.#options;
    const connection = this.#exchange?.connection;
    try {
      const result = kind.decode(payload, this.#callId, traffic.pool.requiresReplyId);
      if (connection !== undefined) this.#instance?.connections.release(connection);
      this.#exchange = undefined;
      this.#end(undefined, result);
    } catch (error) {
      connection?.destroy();
      if (error instanceof CallError) return this.#fail(error);
      if (!(error instanceof ProtocolError)) throw error;
      const message = `failed to receive ${receiveName(kind)}: ${error.message}`;
      this.#fail(new CallError(FailureReason.PROTOCOL, message, { cause: error }));
    }
  }

  onFailure(error: CallError): void {
    const exchange = this.#exchange;
    const instance = this.#instance;
    this.#exchange = undefined;
    if (exchange === undefined || instance === undefined) return;
    const { connection } = exchange;
    if (error.neverSent) this.#wasSent = this.#wasSentBefore;
    // After an error frame the connection is in step and can be used again.
    if (error.reason === FailureReason.RUNNER_ERROR) instance.connections.release(connection);
    else connection.destroy();
    if (!error.connectionStale || instance.ended) return this.#fail(error);
    // It had died while nobody looked: a fresh one may help. Where nobody listens any more, the
    // runner died of the first try: that is what to tell.
    this.#firstError ??= error;
    this.#connect(instance, true);
  }

  #useInstance(instance: RunnerInstance): void {
    const confToken = instance.tokens.get(this.#options.conf.key);
    if (confToken === undefined) return this.#obtainToken(instance);
    this.#confToken = confToken;
    this.#connect(instance, false);
  }

  #obtainToken(instance: RunnerInstance): void {
    const { conf, traffic } = this.#options;
    const { callTimeoutMs: timeoutMs } = traffic.pool;
    const step = this.#nextStep();
    traffic.confs.obtainToken(instance, conf, timeoutMs).then(
      (confToken) => {
        if (this.#step !== step) return;
        this.#confToken = confToken;
        this.#connect(instance, false);
      },
      (error: unknown) => {
        if (this.#step === step) this.#failToReach(instance, CallError.from(error));
      },
    );
  }

  #connect(instance: RunnerInstance, fresh: boolean): void {
    const idle = fresh ? undefined : instance.connections.takeIdle();
    if (idle !== undefined) return this.#converse(idle);
    const step = this.#nextStep();
    const { connection: opening, abandon } = instance.connections.acquire({ fresh });
    this.#abandon = abandon;
    opening.then(
      (connection) => {
        if (this.#step !== step) return instance.connections.release(connection);
        this.#abandon = undefined;
        this.#converse(connection);
      },
      (error: unknown) => {
        if (this.#step !== step) return;
        this.#abandon = undefined;
        this.#failToReach(instance, CallError.from(error));
      },
    );
  }

  #failToReach(instance: RunnerInstance, error: CallError): void {
    if (error.reason === FailureReason.UNAVAILABLE) {
      this.#options.traffic.pool.noteUnreachable(instance, error.message);
    }
    this.#fail(error);
  }

  #converse(connection: RunnerConnection): void {
    const { kind } = this.#options;
    this.#callId = takeCallId(this.#options.traffic.pool.requiresReplyId);
    let frame: Buffer;
    try {
      frame = kind.encode(this.#callId, this.#confToken);
    } catch (error) {
      this.#instance?.connections.release(connection);
      if (!(error instanceof ProtocolError)) throw error;
      const message = `failed to send ${kind.rpcName}: ${error.message}`;
      return this.#fail(new CallError(FailureReason.INVALID_CALL, message, { cause: error }));
    }
    this.#wasSentBefore = this.#wasSent;
    this.#wasSent = true;
    this.#staleAnswers += this.#answers?.awaited ?? 0;
    this.#answers = undefined;
    this.tape?.restart();
    this.#exchange = new RunnerExchange(connection, this);
    this.#exchange.begin(frame);
  }

  /** What failed was one try; whether that is the end depends on what may have been done by it. */
  #fail(error: CallError): void {
    const instance = this.#instance;
    if (this.#isOver || instance === undefined) return;
    const { conf } = this.#options;
    if (error.tokenUnknown || error.tokenDoubtful) {
      const ageMsMin = error.tokenUnknown ? 0 : DOUBTFUL_TOKEN_AGE_MS;
      instance.tokens.evict(conf.key, this.#confToken, ageMsMin);
      this.#tokenTries += 1;
      if (error.tokenUnknown && this.#tokenTries < TOKEN_TRIES_MAX) {
        // No plugin has run.
        this.#wasSent = false;
        return this.#useInstance(instance);
      }
    }
    // A try that found nobody says less than the one before it, which was sent.
    const unreachable = error.reason === FailureReason.UNAVAILABLE;
    const told = unreachable ? (this.#firstError ?? error) : error;
    if (!this.#mayGoElsewhere(error, instance)) return this.#end(told);
    this.#firstError = told;
    this.#leaveInstance();
    this.start();
  }

  #mayGoElsewhere(error: CallError, instance: RunnerInstance): boolean {
    if (!error.resendable) return false;
    this.#tried ??= new Set();
    this.#tried.add(instance);
    if (this.#tried.size >= INSTANCES_MAX) return false;
    if (!this.#wasSent && this.#mayTryUnsent(error, instance)) return true;
    if (this.#retriesLeft === 0) return false;
    this.#retriesLeft -= 1;
    return true;
  }

  /** Nobody has seen it: it may go to another instance, or wait for one, whatever `retries` says. */
  #mayTryUnsent({ reason }: CallError, instance: RunnerInstance): boolean {
    const other = this.#options.traffic.pool.pick(this.#tried);
    if (other === undefined || this.#tried?.has(other) !== true) return true;
    // The process has ended over a conf, and is not known to have yet.
    const mayHaveEnded = reason === FailureReason.PROTOCOL && instance.generation > 0;
    if (!mayHaveEnded || this.#hasTriedTwice) return false;
    this.#hasTriedTwice = true;
    return true;
  }

  #timeOut(): void {
    if (this.#isOver) return;
    const message = `failed to receive ${receiveName(this)}: timeout`;
    this.#breakOff();
    this.#options.onFailure(new CallError(FailureReason.TIMEOUT, message));
  }

  #end(error: CallError | undefined, result?: CallResult): void {
    if (this.#isOver) return;
    this.#close();
    if (error !== undefined) this.#options.onFailure(error);
    else if (result !== undefined) this.#options.onResult(result);
  }

  #breakOff(): void {
    const { traffic, owner } = this.#options;
    traffic.queue.leave(owner, this);
    this.#abandon?.();
    this.#exchange?.connection.destroy();
    this.#close();
  }

  #close(): void {
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#nextStep();
    this.#exchange = undefined;
    this.#leaveInstance();
  }

  #leaveInstance(): void {
    if (this.#instance === undefined) return;
    this.#instance.callsInFlight -= 1;
    this.#instance = undefined;
    const { queue } = this.#options.traffic;
    if (queue.size > 0) queue.advance();
  }

  #nextStep(): number {
    this.#step += 1;
    this.#abandon = undefined;
    return this.#step;
  }
}

function takeCallId(isUsual: boolean): number {
  const taken = isUsual ? callId : testCallId;
  if (isUsual) callId = taken === CALL_ID_MAX ? FIRST_CALL_ID : taken + 1;
  else testCallId = taken === CALL_ID_MAX ? FIRST_TEST_CALL_ID : taken + 1;
  return taken;
}
