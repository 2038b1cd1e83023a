import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import {
  decodeExtraInfoResponse,
  encodeErrorResponse,
  encodeExtraInfoRequest,
  encodeFrame,
  ErrorCode,
  FrameDecoder,
  FrameType,
  ProtocolError,
} from '@polygate/runner-protocol';
import type { ExtraInfoRequest, Frame } from '@polygate/runner-protocol';
import type { GatewayCall } from './call-answers.ts';
import { CallError } from './call-error.ts';
import type { CallHolder, CallLimits } from './call-limits.ts';
import { isPromise } from './run-plugins.ts';
import type { RunnerLog } from '../runner-log.ts';

/** Gateways send one call at a time; this leaves room for one that does not wait. */
const CALLS_WAITING_MAX = 16;
const QUESTIONS_OPEN_MAX = 1_024;
/** A frame that was begun must be complete after this long without a byte. */
const FRAME_IDLE_MS = 30_000;

/** Makes the frame that answers. Throws or rejects with CallError, ProtocolError. */
export type CallHandler = (
  type: number,
  payload: Buffer,
  call: GatewayCall,
) => Buffer | Promise<Buffer>;

export interface GatewayConnectionOptions {
  readonly handle: CallHandler;
  readonly limits: CallLimits;
  readonly log: RunnerLog;
}

type OpenQuestion = PromiseWithResolvers<Buffer | undefined>;

/** One for all calls: an error with its stack costs more than a small call. */
const CALL_OVER = new Error('the call is over');

/**
 * One connection from a gateway worker. Runs its calls one after the other. Whatever breaks the
 * protocol ends the connection: there is no way to find the next frame.
 */
export class GatewayConnection implements CallHolder {
  readonly #socket: Socket;
  readonly #options: GatewayConnectionOptions;
  readonly #decoder = new FrameDecoder();
  readonly #waiting: Frame[] = [];
  /** In the order of asking, which is the order of the answers. */
  readonly #questions: OpenQuestion[] = [];
  #call: RunningCall | undefined;
  /** Ready, and held back until the gateway has answered what was asked. */
  #answer: Buffer | undefined;
  #awaitsFrame = false;
  #closing = false;
  #brokenOff = false;

  constructor(socket: Socket, options: GatewayConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('timeout', () => this.#breakOff('a frame was not completed'));
    socket.on('error', (error) => options.log.info(`connection: ${error.message}`));
    socket.on('close', () => this.#closed());
  }

  /** At once when idle, else after the call that runs. */
  close(): void {
    this.#closing = true;
    if (this.#call === undefined) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  endCallsBefore(receivedAtMs: number): void {
    const call = this.#call;
    if (call === undefined || call.receivedAtMs > receivedAtMs) return;
    this.#fail(call, new Error('no result within the time for a call'));
    this.#socket.end();
  }

  #receive(chunk: Buffer): void {
    if (this.#brokenOff) return;
    try {
      for (const frame of this.#decoder.push(chunk)) this.#accept(frame);
    } catch (error) {
      this.#breakOff(messageOf(error));
      return;
    }
    const awaitsFrame = this.#decoder.unfinishedBytes > 0;
    if (awaitsFrame === this.#awaitsFrame) return;
    this.#awaitsFrame = awaitsFrame;
    this.#socket.setTimeout(awaitsFrame ? FRAME_IDLE_MS : 0);
  }

  #accept(frame: Frame): void {
    if (frame.type === FrameType.EXTRA_INFO) return this.#acceptAnswer(frame.payload);
    if (this.#call === undefined) return this.#begin(frame);
    if (this.#waiting.length >= CALLS_WAITING_MAX) {
      throw new ProtocolError('MALFORMED', 'more calls than one at a time');
    }
    // Its bytes stay as they are: each chunk of a socket is memory of its own.
    this.#waiting.push(frame);
  }

  #acceptAnswer(payload: Buffer): void {
    const question = this.#questions.shift();
    if (question === undefined) throw new ProtocolError('MALFORMED', 'answer without question');
    const { result } = decodeExtraInfoResponse(payload);
    question.resolve(result as Buffer | undefined);
    const call = this.#call;
    if (call !== undefined && this.#answer !== undefined) this.#finish(call, this.#answer);
  }

  #begin({ type, payload }: Frame): void {
    const call: RunningCall = new RunningCall(
      (question) => this.#ask(call, question),
      this.#options.log,
    );
    this.#call = call;
    this.#options.limits.enter(() => {
      // It may have waited for its turn for longer than it had.
      if (call.isOver) this.#options.limits.leave();
      else this.#run(call, type, payload);
    });
  }

  #run(call: RunningCall, type: number, payload: Buffer): void {
    call.isRunning = true;
    try {
      const answer = this.#options.handle(type, payload, call);
      if (!isPromise(answer)) return this.#finish(call, answer);
      answer.then(
        (late) => this.#finish(call, late),
        (error: unknown) => this.#fail(call, error),
      );
    } catch (error) {
      this.#fail(call, error);
    }
  }

  #finish(call: RunningCall, answer: Buffer): void {
    if (call.isOver) return;
    // What answers a question that nobody waited for would be taken for the next call.
    this.#answer = answer;
    if (this.#questions.length > 0) return;
    this.#socket.write(answer);
    this.#end(call, CALL_OVER);
    this.#next();
  }

  #fail(call: RunningCall, error: unknown): void {
    if (call.isOver) return;
    this.#end(call, error instanceof Error ? error : CALL_OVER);
    if (!this.#socket.writable) return;
    this.#options.log.error(withLabel(call.label(), describe(error)));
    if (error instanceof ProtocolError && error.code !== 'TOO_LARGE') {
      this.#breakOff(error.message);
      return;
    }
    this.#socket.write(errorFrame(error));
    // Answers may be under way that nobody waits for.
    if (this.#questions.length > 0) this.#socket.end();
    else this.#next();
  }

  /** Questions that a plugin asks after its call are refused. */
  #end(call: RunningCall, reason: Error): void {
    this.#call = undefined;
    this.#answer = undefined;
    call.end(reason);
    if (call.isRunning) this.#options.limits.leave();
  }

  #next(): void {
    if (this.#closing) {
      this.#socket.end();
      return;
    }
    const frame = this.#waiting.shift();
    if (frame !== undefined && this.#socket.writable) this.#begin(frame);
  }

  #ask(call: RunningCall, request: ExtraInfoRequest): Promise<Buffer | undefined> {
    if (call.isOver) return Promise.reject(call.signal.reason as Error);
    if (this.#questions.length >= QUESTIONS_OPEN_MAX) {
      return Promise.reject(new Error(`more than ${QUESTIONS_OPEN_MAX} open questions`));
    }
    const question: OpenQuestion = Promise.withResolvers();
    this.#socket.write(encodeFrame(FrameType.EXTRA_INFO, encodeExtraInfoRequest(request)));
    this.#questions.push(question);
    return question.promise;
  }

  /** Tells the gateway that it sent something bad, and hangs up. */
  #breakOff(reason: string): void {
    if (this.#brokenOff || this.#socket.destroyed) return;
    this.#brokenOff = true;
    this.#options.log.error(`connection closed: ${reason}`);
    this.#drop(new Error(reason));
    const frame = errorFrame(new CallError(ErrorCode.BAD_REQUEST, reason));
    this.#socket.end(frame, () => this.#socket.destroy());
  }

  #closed(): void {
    this.#drop(new Error('the gateway closed the connection'));
  }

  #drop(reason: Error): void {
    this.#waiting.length = 0;
    if (this.#call !== undefined) this.#end(this.#call, reason);
    for (const question of this.#questions.splice(0)) question.reject(reason);
  }
}

/** A call from its frame to its answer. */
class RunningCall implements GatewayCall {
  readonly receivedAtMs = performance.now();
  readonly log: RunnerLog;
  labelled: { label(): string } | undefined;
  isRunning = false;
  readonly #ask: (question: ExtraInfoRequest) => Promise<Buffer | undefined>;
  #over: Error | undefined;
  #controller: AbortController | undefined;

  constructor(ask: (question: ExtraInfoRequest) => Promise<Buffer | undefined>, log: RunnerLog) {
    this.#ask = ask;
    this.log = log;
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  /** Made when it is asked for: most plugins do not, and it costs a microsecond. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#over !== undefined) this.#controller.abort(this.#over);
    return this.#controller.signal;
  }

  variable(name: string): Promise<Buffer | undefined> {
    return this.#ask({ kind: 'variable', name });
  }

  requestBody(): Promise<Buffer | undefined> {
    return this.#ask({ kind: 'requestBody' });
  }

  responseBody(): Promise<Buffer | undefined> {
    return this.#ask({ kind: 'responseBody' });
  }

  /** Empty also where the message cannot be read: that is no reason to log nothing. */
  label(): string {
    try {
      return this.labelled?.label() ?? '';
    } catch (error) {
      return messageOf(error);
    }
  }

  end(reason: Error): void {
    this.#over = reason;
    this.#controller?.abort(reason);
  }
}

function errorFrame(error: unknown): Buffer {
  const code = error instanceof CallError ? error.code : ErrorCode.SERVICE_UNAVAILABLE;
  const message = code === ErrorCode.BAD_REQUEST ? messageOf(error) : undefined;
  return encodeFrame(FrameType.ERROR, encodeErrorResponse({ code, message }));
}

function withLabel(label: string, text: string): string {
  return label === '' ? text : `${label} ${text}`;
}

function describe(error: unknown): string {
  const message = messageOf(error);
  if (!(error instanceof Error) || error.cause === undefined) return message;
  const { cause } = error;
  return `${message}: ${cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
