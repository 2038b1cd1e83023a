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
import { CallError } from '../call-error.ts';
import type { CallLife, StageEnd } from '../calls/call-life.ts';
import type { RunnerConnection } from './runner-connection.ts';

export interface ExchangeRequest {
  readonly frameType: number;
  /** As APISIX names it where sending fails, and where the answer has another type. */
  readonly rpcName: string;
  readonly frame: Buffer;
  readonly openQuestionsMax: number;
  /** Not called for exchanges without questions. */
  readonly onQuestion?: (question: ExtraInfoRequest) => void;
}

/**
 * One conversation on one connection: a request, the runner's questions, its answer. The runner may
 * ask many questions before it reads an answer; they are answered in the order of asking, which is
 * the order `answer` is called in.
 */
export class RunnerExchange {
  readonly #connection: RunnerConnection;
  readonly #request: ExchangeRequest;
  #openQuestions = 0;

  constructor(connection: RunnerConnection, request: ExchangeRequest) {
    this.#connection = connection;
    this.#request = request;
  }

  /**
   * Resolves to the payload of the answer. The connection may be used again afterwards, if it is
   * not closed by then.
   *
   * @throws {CallError}
   */
  run(life: CallLife): Promise<Buffer> {
    return life.stage<Buffer>((end) => {
      const reused = this.#connection.callsServed > 0 || this.#connection.idleSinceMs > 0;
      this.#connection.begin(
        {
          onFrame: (frame) => this.#take(frame, end),
          onLost: (why, answered) =>
            end.reject(this.#receiveError(why, { connectionStale: reused && !answered })),
        },
        this.#request.frame,
      );
      return () => this.#connection.destroy();
    });
  }

  /** The answer to the oldest open question. One that nobody asked for is dropped. */
  answer(result: Uint8Array | undefined): void {
    if (this.#openQuestions === 0 || this.#connection.closed) return;
    this.#openQuestions -= 1;
    try {
      const payload = encodeExtraInfoResponse({ result });
      this.#connection.write(encodeFrame(FrameType.EXTRA_INFO, payload));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#connection.fail(`failed to reply RPC_EXTRA_INFO: ${error.message}`);
    }
  }

  /** Returns true when the exchange is over. */
  #take(frame: Frame, end: StageEnd<Buffer>): boolean {
    if (frame.type === FrameType.EXTRA_INFO && this.#request.onQuestion !== undefined) {
      return this.#ask(frame.payload, end);
    }
    // The runner went on without our answer: who knows what it takes the next one for.
    if (this.#openQuestions > 0) this.#connection.destroy();
    // It gave up on a body it had asked for, and its "continue" would be one without having looked.
    if (this.#connection.unsentBytes > 0) {
      end.reject(this.#receiveError('the runner answered before it had read our frame', {}));
    } else if (frame.type === this.#request.frameType) {
      end.resolve(frame.payload);
    } else if (frame.type === FrameType.ERROR) {
      end.reject(this.#runnerError(frame.payload));
    } else {
      this.#connection.destroy();
      const { rpcName } = this.#request;
      const message = `failed to receive ${rpcName}: unexpected type ${frame.type}`;
      end.reject(new CallError(FailureReason.PROTOCOL, message));
    }
    return true;
  }

  #ask(payload: Buffer, end: StageEnd<Buffer>): boolean {
    try {
      const question = decodeExtraInfoRequest(payload);
      this.#openQuestions += 1;
      if (this.#openQuestions > this.#request.openQuestionsMax) {
        throw new ProtocolError('MALFORMED', `${this.#openQuestions} questions at a time`);
      }
      this.#request.onQuestion?.(question);
      return false;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#connection.destroy();
      const message = `failed to handle RPC_EXTRA_INFO: ${error.message}`;
      end.reject(new CallError(FailureReason.PROTOCOL, message, { cause: error }));
      return true;
    }
  }

  #runnerError(payload: Buffer): CallError {
    try {
      const { code } = decodeErrorResponse(payload);
      return this.#receiveError(errorText(code), {
        reason: FailureReason.RUNNER_ERROR,
        tokenUnknown: code === ErrorCode.CONF_TOKEN_NOT_FOUND,
      });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#connection.destroy();
      return this.#receiveError(error.message, {});
    }
  }

  #receiveError(
    why: string,
    facts: { reason?: FailureReason; tokenUnknown?: boolean; connectionStale?: boolean },
  ): CallError {
    // A reason that is a sentence of its own already says what failed.
    const message = why.startsWith('failed to ')
      ? why
      : `failed to receive ${receiveName(this.#request)}: ${why}`;
    return new CallError(facts.reason ?? FailureReason.PROTOCOL, message, facts);
  }
}

/** APISIX says RPC_HTTP_REQ_CALL also where it waits for the answer to an RPC_HTTP_RESP_CALL. */
export function receiveName({ rpcName }: { readonly rpcName: string }): string {
  return rpcName === 'RPC_HTTP_RESP_CALL' ? 'RPC_HTTP_REQ_CALL' : rpcName;
}
