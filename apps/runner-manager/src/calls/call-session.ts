import type { Tracer } from '@opentelemetry/api';
import {
  FailureReason,
  FrameBatcher,
  ManagerFrame,
  MESSAGE_BYTES_MAX,
  RpcError,
  type ConfReference,
  type DataPlaneFrame,
} from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import { endCallSpan, startCallSpan, type TracedCall } from './call-span.ts';
import type { ManagerLog, RunnerLimits } from '../manager-options.ts';
import { RunnerCall } from './runner-call.ts';
import {
  extraInfoQuestion,
  requestCallKind,
  responseCallKind,
  type RunnerCallKind,
} from './runner-messages.ts';
import type { Runner } from '../process/runner.ts';

export interface CallSessionOptions {
  readonly runner: Runner | undefined;
  readonly limits: RunnerLimits;
  readonly log: ManagerLog;
  readonly tracer: Tracer | undefined;
  /** Puts the frames into one message; false: wait for `drained`. */
  readonly write: (frames: ManagerFrame[]) => boolean;
}

interface CallRequest extends TracedCall {
  readonly conf: ConfReference | undefined;
  readonly timeoutMs: number;
}

/** A frame below this cannot outgrow a message, even if every byte became U+FFFD (3 bytes). */
const SURELY_FITS_BYTES = MESSAGE_BYTES_MAX / 3 - 65_536;
const SMALL_FRAME_BYTES = 64;

/**
 * The calls of one stream, that is of one data plane worker. Answers leave in batches, once per
 * turn of the event loop.
 */
export class CallSession {
  readonly #options: CallSessionOptions;
  readonly #batcher: FrameBatcher<ManagerFrame>;
  readonly #calls = new Map<number, RunnerCall>();

  constructor(options: CallSessionOptions) {
    this.#options = options;
    this.#batcher = new FrameBatcher({ write: options.write });
  }

  get callsInFlight(): number {
    return this.#calls.size;
  }

  /** @throws {RpcError} `INVALID_ARGUMENT` when the data plane breaks the contract. */
  receive(frames: readonly DataPlaneFrame[]): void {
    for (const frame of frames) this.#receiveFrame(frame);
  }

  /** The stream takes more. */
  drained(): void {
    this.#batcher.drained();
  }

  /** The stream is gone: its calls end, nothing is written any more. */
  close(): void {
    this.#batcher.close();
    for (const call of [...this.#calls.values()]) call.cancel();
    this.#calls.clear();
  }

  #receiveFrame({ callId, frame }: DataPlaneFrame): void {
    switch (frame?.$case) {
      case 'requestCall':
        return this.#begin(callId, frame.value, () =>
          requestCallKind(frame.value, this.#options.runner?.requiresReplyId ?? true),
        );
      case 'responseCall':
        return this.#begin(callId, frame.value, () => responseCallKind(frame.value));
      case 'extraInfoAnswer':
        // The call may have ended meanwhile; its questions need no answer then.
        return this.#calls.get(callId)?.answer(frame.value.result);
      case 'cancelCall': {
        const call = this.#calls.get(callId);
        this.#calls.delete(callId);
        return call?.cancel();
      }
      case undefined:
        // A kind of frame from a newer data plane: without it there would be no answer at all.
        return this.#fail(callId, new CallError(FailureReason.INVALID_CALL, 'an unknown frame'));
    }
  }

  #begin(callId: number, request: CallRequest, makeKind: () => RunnerCallKind): void {
    if (this.#calls.has(callId)) {
      throw new RpcError('INVALID_ARGUMENT', `call_id ${callId} is in flight already`);
    }
    try {
      this.#run(callId, request, makeKind());
    } catch (error) {
      this.#fail(callId, CallError.from(error));
    }
  }

  #run(callId: number, request: CallRequest, kind: RunnerCallKind): void {
    const { runner, limits, tracer } = this.#options;
    const { conf } = request;
    if (conf === undefined) throw new CallError(FailureReason.INVALID_CALL, 'the call has no conf');
    if (runner === undefined) {
      throw new CallError(FailureReason.UNAVAILABLE, 'no runner is configured (ext-plugin.cmd)');
    }
    if (this.#calls.size >= limits.callsPerStreamMax) {
      const message = `${this.#calls.size} calls are in flight on this stream`;
      throw new CallError(FailureReason.OVERLOADED, message);
    }
    const call = new RunnerCall({
      runner,
      kind,
      confKey: conf.key,
      plugins: conf.plugins,
      timeoutMs: request.timeoutMs,
      limits,
      onQuestion: (question) => {
        const value = extraInfoQuestion(question);
        this.#send({ callId, frame: { $case: 'extraInfoQuestion', value } }, SMALL_FRAME_BYTES);
      },
    });
    this.#calls.set(callId, call);
    const span = startCallSpan(tracer, request, { rpcName: kind.rpcName, confKey: conf.key });
    call.run().then(
      (frame) => {
        endCallSpan(span);
        if (this.#isOver(callId, call)) this.#sendResult({ callId, frame });
      },
      (error: unknown) => {
        endCallSpan(span, error);
        if (this.#isOver(callId, call)) this.#fail(callId, CallError.from(error));
      },
    );
  }

  /** False when the call was cancelled, which wants no answer. */
  #isOver(callId: number, call: RunnerCall): boolean {
    return this.#calls.get(callId) === call && this.#calls.delete(callId);
  }

  #sendResult(result: ManagerFrame): void {
    const sizeBytes = resultBytes(result);
    if (sizeBytes > MESSAGE_BYTES_MAX) {
      const message = `the answer has ${sizeBytes} bytes, ${MESSAGE_BYTES_MAX} fit a message`;
      return this.#fail(result.callId, new CallError(FailureReason.PROTOCOL, message));
    }
    const { unreadBytesMax } = this.#options.limits;
    if (this.#batcher.backlogBytes + sizeBytes > unreadBytesMax + MESSAGE_BYTES_MAX) {
      const message = 'the data plane does not read its answers';
      return this.#fail(result.callId, new CallError(FailureReason.OVERLOADED, message));
    }
    this.#send(result, sizeBytes);
  }

  #fail(callId: number, { reason, message }: CallError): void {
    this.#options.log.debug(`call ${callId} failed: ${message}`);
    this.#send(
      { callId, frame: { $case: 'callFailure', value: { reason, message } } },
      SMALL_FRAME_BYTES + message.length,
    );
  }

  #send(frame: ManagerFrame, sizeBytes: number): void {
    this.#batcher.send(frame, sizeBytes);
  }
}

/** About what the result takes in a message; exact where it could be too much. */
function resultBytes(result: ManagerFrame): number {
  const estimateBytes = SMALL_FRAME_BYTES + contentLength(result);
  if (estimateBytes < SURELY_FITS_BYTES) return estimateBytes;
  return ManagerFrame.encode(result).finish().length + SMALL_FRAME_BYTES;
}

function contentLength({ frame }: ManagerFrame): number {
  if (frame?.$case === 'responseResult') {
    return frame.value.body.length + entriesLength(frame.value.headers);
  }
  if (frame?.$case !== 'requestResult') return 0;
  const { action } = frame.value;
  if (action?.$case === 'stop') {
    return action.value.body.length + entriesLength(action.value.headers);
  }
  if (action?.$case !== 'rewrite') return 0;
  const { path, headers, args, responseHeaders, body } = action.value;
  const lists = entriesLength(headers) + entriesLength(args) + entriesLength(responseHeaders);
  return body.length + (path?.length ?? 0) + lists;
}

function entriesLength(list: readonly { name: string; value?: string | undefined }[]): number {
  let length = 0;
  for (const { name, value } of list) length += name.length + (value?.length ?? 0) + 8;
  return length;
}
