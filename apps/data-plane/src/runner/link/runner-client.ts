import { GatewayError, type Logger } from '@polygate/plugin-sdk';
import { MESSAGE_BYTES_MAX } from '@polygate/rpc';
import type { ClientTls, ConfReference, ExtraInfoQuestion, ManagerFrame } from '@polygate/rpc';
import { encodeFrame, holdFrame, releaseFrame } from '../frames/call-frames.ts';
import {
  aborted,
  answerError,
  failureError,
  notConnected,
  shuttingDown,
  timedOut,
  unexpected,
} from './call-errors.ts';
import { HeldConfs } from './held-confs.ts';
import { runnersOf, type ManagerRunners } from './list-runners.ts';
import type { RunnerCall } from './runner-call.ts';
import { RunnerLink, type BackoffMs, type SentFrame } from './runner-link.ts';

/** One timer looks at all calls this often: deadlines are late by up to this much. */
const SWEEP_INTERVAL_MS = 50;
/** The manager's own deadline fires first and knows better what went wrong. */
const DEADLINE_SLACK_MS_MAX = 1_000;
const DEADLINE_SLACK_MS_MIN = 100;
/** Questions of one call that may wait for their answers. */
const QUESTIONS_OPEN_MAX = 64;
/** What may wait for a manager that does not read. */
const BACKLOG_BYTES_MAX = 64 * 1024 * 1024;
/** A message over the limit would break the stream. */
const FRAME_BYTES_MAX = MESSAGE_BYTES_MAX - 16;
const CALL_ID_MAX = 0xffff_ffff;

export interface RunnerClientOptions {
  /** Where runner managers listen: `unix:/path` or `host:port`. Calls are spread over them. */
  readonly addresses: readonly string[];
  readonly tls?: ClientTls | undefined;
  readonly log: Logger;
  /** Calls past this many are refused. 4,096. */
  readonly callsInFlightMax?: number;
  /** How long calls wait while there is no connection. 1 s. */
  readonly connectWaitMs?: number;
  /** Pause before reconnecting: doubles from `min` (100 ms) to `max` (5 s), with jitter. */
  readonly backoffMs?: BackoffMs;
}

/** The connection to one runner manager. */
export interface LinkState {
  readonly address: string;
  readonly connected: boolean;
  readonly callsInFlight: number;
  readonly backlogBytes: number;
  /** Empty while it is connected. */
  readonly lastError: string;
}

export interface RunnerClient {
  /** Whether any manager is. */
  readonly connected: boolean;
  readonly callsInFlight: number;
  readonly confsHeld: number;
  /**
   * Ends in `call.onResult` or `call.onError`: RUNNER_UNAVAILABLE (no manager, no runner),
   * RUNNER_OVERLOADED, RUNNER_FAILED (the runner's fault), RUNNER_TIMEOUT, REQUEST_ABORTED, or the
   * error of `call.answer`. Throws what `call.encode` throws.
   */
  send(call: RunnerCall): void;
  hold(conf: ConfReference, runner: string): void;
  release(key: string, runner: string): void;
  links(): readonly LinkState[];
  /** Asks every manager that is connected. Never rejects. */
  listRunners(timeoutMs: number): Promise<readonly ManagerRunners[]>;
  /** Fails what is in flight and closes the connections. */
  close(): void;
}

/** Connects at once and in the background; one per worker. */
export function connectRunnerManagers(options: RunnerClientOptions): RunnerClient {
  return new SpreadingRunnerClient(options);
}

interface PendingCall {
  readonly callId: number;
  readonly call: RunnerCall;
  readonly frame: Buffer;
  readonly isLarge: boolean;
  /** Undefined: it waits for a connection. */
  link: RunnerLink | undefined;
  sent: SentFrame | undefined;
  /** On the clock of `performance.now()`: of waiting for a connection, or for the answer. */
  endMs: number;
  /** From the first time it was sent: another try has what is left. */
  deadlineMs: number;
  retries: number;
  /** Each try asks its questions anew: answers to those of an earlier one are dropped. */
  tries: number;
  questionsOpen: number;
  /** Settles when every question so far is answered. Never rejects. */
  answered: Promise<void> | undefined;
}

class SpreadingRunnerClient implements RunnerClient {
  readonly #links: readonly RunnerLink[];
  readonly #confs: HeldConfs;
  readonly #callsInFlightMax: number;
  readonly #connectWaitMs: number;
  readonly #pending = new Map<number, PendingCall>();
  #lastCallId = 0;
  #turn = 0;
  #sweepTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RunnerClientOptions) {
    this.#callsInFlightMax = options.callsInFlightMax ?? 4_096;
    this.#connectWaitMs = options.connectWaitMs ?? 1_000;
    this.#confs = new HeldConfs({
      hold: (conf, runner) => this.#tellAll(holdFrame(conf, runner)),
      release: (key, runner) => this.#tellAll(releaseFrame(key, runner)),
    });
    this.#links = options.addresses.map(
      (address) =>
        new RunnerLink({
          address,
          tls: options.tls,
          log: options.log,
          backoffMs: options.backoffMs ?? { min: 100, max: 5_000 },
          onUp: (link) => this.#onUp(link),
          onFrame: (frame, link) => this.#receive(frame, link),
          onDown: (link, reason) => this.#onDown(link, reason),
        }),
    );
  }

  get connected(): boolean {
    return this.#links.some(({ connected }) => connected);
  }

  get callsInFlight(): number {
    return this.#pending.size;
  }

  get confsHeld(): number {
    return this.#confs.size;
  }

  send(call: RunnerCall): void {
    const refusal = this.#refusal(call);
    if (refusal !== undefined) {
      call.onError(refusal);
      return;
    }
    const callId = this.#nextCallId();
    const frame = call.encode(callId);
    if (frame.length > FRAME_BYTES_MAX) {
      const text = `a call of ${frame.length} bytes is too large`;
      call.onError(new GatewayError('RUNNER_FAILED', text));
      return;
    }
    const pending: PendingCall = {
      callId,
      call,
      frame,
      isLarge: call.isLarge,
      link: undefined,
      sent: undefined,
      endMs: 0,
      deadlineMs: Infinity,
      retries: call.retries,
      tries: 0,
      questionsOpen: 0,
      answered: undefined,
    };
    this.#pending.set(callId, pending);
    this.#dispatch(pending, performance.now());
    this.#sweepTimer ??= setTimeout(this.#sweep, SWEEP_INTERVAL_MS).unref();
  }

  hold(conf: ConfReference, runner: string): void {
    this.#confs.hold(conf, runner);
  }

  release(key: string, runner: string): void {
    this.#confs.release(key, runner);
  }

  links(): readonly LinkState[] {
    return this.#links.map(({ address, connected, callsInFlight, backlogBytes, lastError }) => ({
      address,
      connected,
      callsInFlight,
      backlogBytes,
      lastError,
    }));
  }

  listRunners(timeoutMs: number): Promise<readonly ManagerRunners[]> {
    return Promise.all(this.#links.map((link) => runnersOf(link, timeoutMs)));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const link of this.#links) link.close();
    for (const pending of this.#pending.values()) this.#fail(pending, shuttingDown());
    clearTimeout(this.#sweepTimer);
  }

  #refusal(call: RunnerCall): GatewayError | undefined {
    if (this.#closed) return shuttingDown();
    if (call.isAborted) return aborted();
    const isFull =
      this.#pending.size >= this.#callsInFlightMax ||
      this.#links.every(({ backlogBytes }) => backlogBytes >= BACKLOG_BYTES_MAX);
    if (!isFull) return undefined;
    const text = `overloaded: ${this.#pending.size} calls to the runner manager are in flight`;
    return new GatewayError('RUNNER_OVERLOADED', text);
  }

  #nextCallId(): number {
    do {
      this.#lastCallId = this.#lastCallId === CALL_ID_MAX ? 1 : this.#lastCallId + 1;
    } while (this.#pending.has(this.#lastCallId));
    return this.#lastCallId;
  }

  // ---- managers

  /** To the manager with the fewest calls; without one the call waits for a connection. */
  #dispatch(pending: PendingCall, nowMs: number): void {
    const link = this.#pickLink();
    if (link === undefined) {
      pending.endMs = Math.min(nowMs + this.#connectWaitMs, pending.deadlineMs);
      return;
    }
    const { timeoutMs } = pending.call;
    if (pending.deadlineMs === Infinity)
      pending.deadlineMs = nowMs + timeoutMs + slackOf(timeoutMs);
    pending.endMs = pending.deadlineMs;
    pending.link = link;
    pending.tries++;
    pending.questionsOpen = 0;
    pending.answered = undefined;
    link.callsInFlight++;
    pending.sent = link.send(pending.callId, pending.frame, pending.isLarge);
  }

  #pickLink(): RunnerLink | undefined {
    const links = this.#links;
    let best: RunnerLink | undefined;
    this.#turn = (this.#turn + 1) % links.length;
    for (let i = 0; i < links.length; i++) {
      const link = links[(this.#turn + i) % links.length] as RunnerLink;
      if (!link.connected || link.backlogBytes >= BACKLOG_BYTES_MAX) continue;
      if (best === undefined || link.callsInFlight < best.callsInFlight) best = link;
    }
    return best;
  }

  #onUp(link: RunnerLink): void {
    this.#confs.tellAll({
      hold: (conf, runner) => void link.send(0, holdFrame(conf, runner), false),
      release: () => undefined,
    });
    const nowMs = performance.now();
    for (const pending of this.#pending.values()) {
      if (pending.link === undefined) this.#dispatch(pending, nowMs);
    }
  }

  /** What the manager cannot have seen, or may be done again, goes on elsewhere. The rest has failed. */
  #onDown(link: RunnerLink, reason: string): void {
    link.callsInFlight = 0;
    const nowMs = performance.now();
    const text = `the connection to the runner manager broke: ${reason}`;
    for (const pending of this.#pending.values()) {
      if (pending.link !== link) continue;
      pending.link = undefined;
      const hasLeft = pending.sent?.hasLeft ?? true;
      if (!hasLeft || pending.retries > 0) {
        if (hasLeft) pending.retries--;
        this.#dispatch(pending, nowMs);
      } else {
        this.#fail(pending, new GatewayError('RUNNER_UNAVAILABLE', text));
      }
    }
  }

  #tellAll(frame: Buffer): void {
    for (const link of this.#links) link.send(0, frame, false);
  }

  // ---- calls under way

  readonly #sweep = (): void => {
    this.#sweepTimer = undefined;
    const nowMs = performance.now();
    for (const pending of this.#pending.values()) {
      if (pending.call.isAborted) this.#abandon(pending, aborted());
      else if (pending.endMs <= nowMs) this.#abandon(pending, this.#lateError(pending));
    }
    if (this.#pending.size === 0) return;
    this.#sweepTimer = setTimeout(this.#sweep, SWEEP_INTERVAL_MS).unref();
  };

  #receive({ callId, frame }: ManagerFrame, link: RunnerLink): void {
    const pending = this.#pending.get(callId);
    // An answer may cross our cancellation.
    if (pending?.link !== link) return;
    switch (frame?.$case) {
      case 'extraInfoQuestion':
        this.#answer(pending, frame.value);
        return;
      case 'callFailure':
        this.#fail(pending, failureError(frame.value));
        return;
      case pending.call.answeredBy:
        if (this.#forget(pending)) pending.call.onResult(frame);
        return;
      default:
        this.#abandon(pending, unexpected(frame?.$case ?? 'an unknown frame'));
    }
  }

  /** Looks for answers side by side, but sends them in the order of the questions. */
  #answer(pending: PendingCall, question: ExtraInfoQuestion): void {
    if (pending.questionsOpen >= QUESTIONS_OPEN_MAX) {
      this.#abandon(pending, unexpected(`more than ${QUESTIONS_OPEN_MAX} open questions`));
      return;
    }
    let found: Buffer | undefined | Promise<Buffer | undefined>;
    try {
      found = pending.call.answer(question);
    } catch (error) {
      this.#abandon(pending, answerError(error));
      return;
    }
    if (!(found instanceof Promise) && pending.questionsOpen === 0) {
      this.#sendAnswer(pending, found);
      return;
    }
    pending.questionsOpen++;
    const { tries } = pending;
    const settled = Promise.resolve(found).then(
      (result) => () => {
        if (pending.tries !== tries) return;
        pending.questionsOpen--;
        this.#sendAnswer(pending, result);
      },
      (error: unknown) => () => this.#abandon(pending, answerError(error)),
    );
    pending.answered = (pending.answered ?? Promise.resolve()).then(async () => {
      const finish = await settled;
      finish();
    });
  }

  #sendAnswer(pending: PendingCall, result: Buffer | undefined): void {
    if (this.#pending.get(pending.callId) !== pending) return;
    const value = result === undefined ? {} : { result };
    this.#sendOf(
      pending,
      encodeFrame({
        callId: pending.callId,
        frame: { $case: 'extraInfoAnswer', value },
      }),
    );
  }

  #lateError({ link, call }: PendingCall): GatewayError {
    return link === undefined ? notConnected() : timedOut(call.timeoutMs);
  }

  #sendOf({ callId, link, isLarge }: PendingCall, frame: Buffer): void {
    link?.send(callId, frame, isLarge);
  }

  /** Ends a call from this side, and tells the manager. */
  #abandon(pending: PendingCall, error: Error): void {
    const { callId } = pending;
    if (this.#pending.get(callId) === pending) {
      this.#sendOf(pending, encodeFrame({ callId, frame: { $case: 'cancelCall', value: {} } }));
    }
    this.#fail(pending, error);
  }

  #fail(pending: PendingCall, error: Error): void {
    if (this.#forget(pending)) pending.call.onError(error);
  }

  #forget(pending: PendingCall): boolean {
    if (this.#pending.get(pending.callId) !== pending) return false;
    this.#pending.delete(pending.callId);
    if (pending.link !== undefined) pending.link.callsInFlight--;
    return true;
  }
}

function slackOf(timeoutMs: number): number {
  return Math.max(Math.min(timeoutMs / 4, DEADLINE_SLACK_MS_MAX), DEADLINE_SLACK_MS_MIN);
}
