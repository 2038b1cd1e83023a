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
import type { RunnerLog } from './runner-log.ts';
import { CallError, type GatewayQuestions } from './plugin-call.ts';

/** Gateways send one call at a time; this leaves room for one that does not wait. */
const CALLS_WAITING_MAX = 16;
const QUESTIONS_OPEN_MAX = 1_024;
/** A frame that was begun must be complete after this long without a byte. */
const FRAME_IDLE_MS = 30_000;

/** Resolves to the payload of a frame of the same type; rejects with CallError, ProtocolError. */
export type CallHandler = (
  type: number,
  payload: Buffer,
  questions: GatewayQuestions,
) => Promise<Uint8Array>;

export interface GatewayConnectionOptions {
  readonly handle: CallHandler;
  readonly callTimeoutMs: number;
  readonly log: RunnerLog;
}

type OpenQuestion = PromiseWithResolvers<Buffer | undefined>;

/** One for all calls: an error with its stack costs more than a small call. */
const CALL_OVER = new Error('the call is over');

/**
 * One connection from a gateway worker. Runs its calls one after the other. Whatever breaks the
 * protocol ends the connection: there is no way to find the next frame.
 */
export class GatewayConnection {
  readonly #socket: Socket;
  readonly #options: GatewayConnectionOptions;
  readonly #decoder = new FrameDecoder();
  readonly #waiting: Frame[] = [];
  /** In the order of asking, which is the order of the answers. */
  readonly #questions: OpenQuestion[] = [];
  #call: AbortController | undefined;
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

  get busy(): boolean {
    return this.#call !== undefined;
  }

  /** At once when idle, else after the call that runs. */
  close(): void {
    this.#closing = true;
    if (!this.busy) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#brokenOff) return;
    try {
      for (const frame of this.#decoder.push(chunk)) this.#accept(frame);
    } catch (error) {
      this.#breakOff(messageOf(error));
      return;
    }
    this.#socket.setTimeout(this.#decoder.unfinishedBytes > 0 ? FRAME_IDLE_MS : 0);
  }

  #accept(frame: Frame): void {
    if (frame.type === FrameType.EXTRA_INFO) {
      const question = this.#questions.shift();
      if (question === undefined) throw new ProtocolError('MALFORMED', 'answer without question');
      const { result } = decodeExtraInfoResponse(frame.payload);
      question.resolve(result === undefined ? undefined : Buffer.from(result));
      return;
    }
    if (this.#waiting.length >= CALLS_WAITING_MAX) {
      throw new ProtocolError('MALFORMED', 'more calls than one at a time');
    }
    this.#waiting.push({ type: frame.type, payload: Buffer.from(frame.payload) });
    if (!this.busy) void this.#runWaiting();
  }

  /** Never rejects. */
  async #runWaiting(): Promise<void> {
    let frame = this.#waiting.shift();
    while (frame !== undefined && this.#socket.writable) {
      await this.#run(frame);
      frame = this.#closing ? undefined : this.#waiting.shift();
    }
    if (this.#closing) this.#socket.end();
  }

  async #run({ type, payload }: Frame): Promise<void> {
    const call = new AbortController();
    this.#call = call;
    const timer = setTimeout(() => {
      call.abort(new Error(`no result within ${this.#options.callTimeoutMs} ms`));
    }, this.#options.callTimeoutMs);
    try {
      const handled = this.#options.handle(type, payload, this.#questionsOf(call.signal));
      const reply = encodeFrame(type, await unlessAborted(handled, call.signal));
      // An answer that comes after the reply would be taken for the next call.
      while (this.#questions.length > 0) {
        const answers = Promise.all(this.#questions.map(({ promise }) => promise));
        await unlessAborted(answers, call.signal);
      }
      this.#socket.write(reply);
    } catch (error) {
      this.#fail(error, call.signal);
    } finally {
      clearTimeout(timer);
      this.#call = undefined;
      // Questions that a plugin asks after its call are refused.
      if (!call.signal.aborted) call.abort(CALL_OVER);
    }
  }

  #fail(error: unknown, signal: AbortSignal): void {
    if (!this.#socket.writable) return;
    this.#options.log.error(describe(error));
    if (error instanceof ProtocolError && error.code !== 'TOO_LARGE') {
      this.#breakOff(error.message);
      return;
    }
    const code = error instanceof CallError ? error.code : ErrorCode.SERVICE_UNAVAILABLE;
    this.#socket.write(encodeFrame(FrameType.ERROR, encodeErrorResponse({ code })));
    // Answers may be under way that nobody waits for.
    if (signal.aborted || this.#questions.length > 0) this.#socket.end();
  }

  #questionsOf(signal: AbortSignal): GatewayQuestions {
    const ask = (request: ExtraInfoRequest) => this.#ask(request, signal);
    return {
      signal,
      variable: (name) => ask({ kind: 'variable', name }),
      requestBody: () => ask({ kind: 'requestBody' }),
      responseBody: () => ask({ kind: 'responseBody' }),
    };
  }

  #ask(request: ExtraInfoRequest, signal: AbortSignal): Promise<Buffer | undefined> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
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
    this.#waiting.length = 0;
    this.#call?.abort(new Error(reason));
    const payload = encodeErrorResponse({ code: ErrorCode.BAD_REQUEST });
    this.#socket.end(encodeFrame(FrameType.ERROR, payload), () => this.#socket.destroy());
  }

  #closed(): void {
    const error = new Error('the gateway closed the connection');
    this.#waiting.length = 0;
    this.#call?.abort(error);
    for (const question of this.#questions.splice(0)) question.reject(error);
  }
}

/** Rejects when the signal is aborted first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    promise.then(resolve, reject);
  });
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
