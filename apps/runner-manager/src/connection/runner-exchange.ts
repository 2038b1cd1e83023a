import { FailureReason } from '@polygate/rpc';
import {
  decodeErrorResponse,
  decodeExtraInfoRequest,
  encodeExtraInfoResponse,
  encodeFrame,
  ErrorCode,
  errorText,
  FrameType,
  ProtocolError,
  type ExtraInfoRequest,
  type Frame,
} from '@polygate/runner-protocol';
import { CallError, type CallErrorFacts } from '../call-error.ts';
import type { CallTape } from '../recording/call-tape.ts';
import type { Exchange, Loss, RunnerConnection } from './runner-connection.ts';

/** What the owner of an exchange is told; either `onAnswer` or `onFailure` comes last, once. */
export interface ExchangeOwner {
  readonly frameType: number;
  /** As APISIX names it where sending fails, and where the answer has another type. */
  readonly rpcName: string;
  readonly openQuestionsMax: number;
  /** Left out where the runner has nothing to ask. */
  onQuestion?(question: ExtraInfoRequest): void;
  /** The connection may be used again, if it is not closed by then. */
  onAnswer(payload: Buffer): void;
  onFailure(error: CallError): void;
  /** Writes the frames down. */
  readonly tape?: CallTape | undefined;
}

/**
 * One conversation on one connection: a request, the runner's questions, its answer. The runner may
 * ask many questions before it reads an answer; they are answered in the order of asking, which is
 * the order `answer` is called in.
 */
export class RunnerExchange implements Exchange {
  readonly connection: RunnerConnection;
  readonly #owner: ExchangeOwner;
  #openQuestions = 0;
  #reused = false;

  constructor(connection: RunnerConnection, owner: ExchangeOwner) {
    this.connection = connection;
    this.#owner = owner;
  }

  begin(frame: Buffer): void {
    const { connection } = this;
    this.#reused = connection.callsServed > 0 || connection.idleSinceMs > 0;
    this.#owner.tape?.sent(frame);
    connection.begin(this, frame);
  }

  /** The answer to the oldest open question. One that nobody asked for is dropped. */
  answer(result: Uint8Array | undefined): void {
    if (this.#openQuestions === 0 || this.connection.closed) return;
    this.#openQuestions -= 1;
    try {
      const payload = encodeExtraInfoResponse({ result });
      const frame = encodeFrame(FrameType.EXTRA_INFO, payload);
      this.#owner.tape?.sent(frame);
      this.connection.write(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.connection.fail(`failed to reply RPC_EXTRA_INFO: ${error.message}`);
    }
  }

  /** Returns true when the exchange is over: the owner is told after the connection has let go. */
  onFrame(frame: Frame): boolean {
    this.#owner.tape?.received(frame);
    const isQuestion = frame.type === FrameType.EXTRA_INFO && this.#owner.onQuestion !== undefined;
    return !isQuestion || this.#ask(frame.payload);
  }

  onEnd(frame: Frame): void {
    const { connection } = this;
    const owner = this.#owner;
    // The runner went on without our answer: who knows what it takes the next one for.
    if (this.#openQuestions > 0) connection.destroy();
    // It gave up on a body it had asked for, and its "continue" would be one without having looked.
    if (connection.unsentBytes > 0) {
      connection.destroy();
      owner.onFailure(this.#receiveError('the runner answered before it had read our frame', {}));
    } else if (frame.type === owner.frameType) {
      owner.onAnswer(frame.payload);
    } else if (frame.type === FrameType.ERROR) {
      owner.onFailure(this.#runnerError(frame.payload));
    } else {
      connection.destroy();
      const message = `failed to receive ${owner.rpcName}: unexpected type ${frame.type}`;
      owner.onFailure(new CallError(FailureReason.PROTOCOL, message));
    }
  }

  onLost(why: string, { answered, inFrame, neverSent }: Loss): void {
    const connectionStale = this.#reused && !answered;
    const facts = { connectionStale, resendable: !inFrame, neverSent };
    this.#owner.onFailure(this.#receiveError(why, facts));
  }

  /** Returns true when the question ends the exchange. */
  #ask(payload: Buffer): boolean {
    const owner = this.#owner;
    try {
      const question = decodeExtraInfoRequest(payload);
      this.#openQuestions += 1;
      if (this.#openQuestions > owner.openQuestionsMax) {
        throw new ProtocolError('MALFORMED', `${this.#openQuestions} questions at a time`);
      }
      owner.onQuestion?.(question);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.connection.destroy();
      const message = `failed to handle RPC_EXTRA_INFO: ${error.message}`;
      owner.onFailure(new CallError(FailureReason.PROTOCOL, message, { cause: error }));
    }
    return false;
  }

  #runnerError(payload: Buffer): CallError {
    try {
      const { code, message } = decodeErrorResponse(payload);
      const text = message === undefined ? errorText(code) : `${errorText(code)}: ${message}`;
      return this.#receiveError(text, {
        reason: FailureReason.RUNNER_ERROR,
        tokenUnknown: code === ErrorCode.CONF_TOKEN_NOT_FOUND,
      });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.connection.destroy();
      return this.#receiveError(error.message, {});
    }
  }

  #receiveError(why: string, facts: CallErrorFacts & { reason?: FailureReason }): CallError {
    // A reason that is a sentence of its own already says what failed.
    const message = why.startsWith('failed to ')
      ? why
      : `failed to receive ${receiveName(this.#owner)}: ${why}`;
    return new CallError(facts.reason ?? FailureReason.PROTOCOL, message, facts);
  }
}

/** APISIX says RPC_HTTP_REQ_CALL also where it waits for the answer to an RPC_HTTP_RESP_CALL. */
export function receiveName({ rpcName }: { readonly rpcName: string }): string {
  return rpcName === 'RPC_HTTP_RESP_CALL' ? 'RPC_HTTP_REQ_CALL' : rpcName;
}
