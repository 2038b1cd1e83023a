import type { Tracer } from '@opentelemetry/api';
import {
  FailureReason,
  FrameBatcher,
  MESSAGE_BYTES_MAX,
  RpcError,
  type ConfReference,
  type DataPlaneFrame,
  type KnownInfo,
  type ManagerFrame,
} from '@polygate/rpc';
import { CallError } from '../call-error.ts';
import type { ManagerLog, RunnerLimits } from '../manager-options.ts';
import type { CallRecorder } from '../recording/call-recorder.ts';
import { encodeAnswer } from './answer-frames.ts';
import { endCallSpan, startCallSpan, type TracedCall } from './call-span.ts';
import { StreamConfs } from './stream-confs.ts';
import { pluginNameOf, type PoolTraffic, type Traffic } from './pool-traffic.ts';
import { RunnerCall } from './runner-call.ts';
import { RequestCallKind, ResponseCallKind, type CallKind } from './runner-messages.ts';

export interface CallSessionOptions {
  readonly traffic: Traffic;
  readonly limits: RunnerLimits;
  readonly log: ManagerLog;
  readonly tracer: Tracer | undefined;
  readonly recorder: CallRecorder;
  /** One message; false: wait for `drained`. */
  readonly write: (message: Buffer, onWritten?: () => void) => boolean;
}

interface EncodedAnswer {
  readonly callId: number;
  readonly bytes: Buffer;
}

interface CallRequest extends TracedCall {
  readonly conf: ConfReference | undefined;
  readonly timeoutMs: number;
  readonly runner: string;
  readonly known: KnownInfo | undefined;
  readonly retries: number;
}

/** The pool of calls that name none. */
const DEFAULT_RUNNER = 'default';
/** A message over the limit would break the stream. */
const FRAME_BYTES_MAX = MESSAGE_BYTES_MAX - 16;
const QUOTED_LENGTH_MAX = 128;

type CallFrame = Extract<DataPlaneFrame['frame'], { $case: 'requestCall' | 'responseCall' }>;

/**
 * The calls of one stream, that is of one data plane worker. Answers leave in batches, once per
 * turn of the event loop.
 */
export class CallSession {
  readonly #options: CallSessionOptions;
  readonly #batcher: FrameBatcher<EncodedAnswer>;
  readonly #calls = new Map<number, RunnerCall>();
  readonly #confs: StreamConfs;

  constructor(options: CallSessionOptions) {
    this.#options = options;
    const { write } = options;
    this.#batcher = new FrameBatcher<EncodedAnswer>({
      write: (answers) => write(messageOf(answers)),
      large: {
        orderOf: ({ callId }) => callId,
        write: ({ bytes }, onWritten) => write(bytes, onWritten),
      },
    });
    this.#confs = new StreamConfs(options.traffic);
  }

  /** @throws {RpcError} `INVALID_ARGUMENT` when the data plane breaks the contract. */
  receive(frames: readonly DataPlaneFrame[]): void {
    for (const frame of frames) this.#receiveFrame(frame);
  }

  /** The stream takes more. */
  drained(): void {
    this.#batcher.drained();
  }

  /** The stream is gone: its calls end, nothing is written any more, its confs are released. */
  close(): void {
    this.#batcher.close();
    for (const call of [...this.#calls.values()]) call.cancel();
    this.#calls.clear();
    this.#confs.releaseAll();
  }

  #receiveFrame({ callId, frame }: DataPlaneFrame): void {
    switch (frame?.$case) {
      case 'requestCall':
      case 'responseCall':
        return this.#begin(callId, frame);
      case 'extraInfoAnswer':
        // The call may have ended meanwhile; its questions need no answer then.
        return this.#calls.get(callId)?.answer(frame.value.result);
      case 'cancelCall': {
        const call = this.#calls.get(callId);
        this.#calls.delete(callId);
        return call?.cancel();
      }
      case 'holdConf': {
        const { conf, runner } = frame.value;
        return conf && this.#confs.hold(runner || DEFAULT_RUNNER, conf);
      }
      case 'releaseConf':
        return this.#confs.release(frame.value.runner || DEFAULT_RUNNER, frame.value.key);
      case undefined:
        // A kind of frame from a newer data plane: without it there would be no answer at all.
        return this.#fail(callId, new CallError(FailureReason.INVALID_CALL, 'an unknown frame'));
    }
  }

  #begin(callId: number, frame: CallFrame): void {
    if (this.#calls.has(callId)) {
      throw new RpcError('INVALID_ARGUMENT', `call_id ${callId} is in flight already`);
    }
    try {
      const isRequest = frame.$case === 'requestCall';
      const kind = isRequest ? new RequestCallKind(frame.value) : new ResponseCallKind(frame.value);
      this.#run(callId, frame.value, kind);
    } catch (error) {
      this.#fail(callId, CallError.from(error));
    }
  }

  #run(callId: number, request: CallRequest, kind: CallKind): void {
    const { limits, tracer, recorder } = this.#options;
    const { conf, timeoutMs, known, retries, traceparent } = request;
    if (conf === undefined) throw new CallError(FailureReason.INVALID_CALL, 'the call has no conf');
    const traffic = this.#trafficOf(request.runner || DEFAULT_RUNNER);
    if (this.#calls.size >= limits.callsPerStreamMax) {
      const message = `${this.#calls.size} calls are in flight on this stream`;
      throw new CallError(FailureReason.OVERLOADED, message);
    }
    const { name: runner } = traffic.pool;
    const plugin = pluginNameOf(conf.plugins);
    const stats = traffic.stats.of(plugin);
    const facts = { rpcName: kind.rpcName, confKey: conf.key, runner, plugin };
    const span = startCallSpan(tracer, request, facts);
    const record = recorder.isActive ? recorder.record({ runner, conf, traceparent }) : undefined;
    const startedMs = performance.now();
    const finish = (error?: CallError): boolean => {
      const nowMs = performance.now();
      const isOurs = this.#calls.get(callId) === call && this.#calls.delete(callId);
      stats.note((nowMs - startedMs) * 1000, error !== undefined, nowMs);
      if (span !== undefined) endCallSpan(span, call.instance, error);
      record?.finish(error?.message ?? '');
      return isOurs;
    };
    const call = new RunnerCall({
      traffic,
      kind,
      conf,
      known,
      timeoutMs,
      retries,
      limits,
      owner: this,
      tape: record?.tape,
      onQuestion: (value) => this.#send({ callId, frame: { $case: 'extraInfoQuestion', value } }),
      onResult: (frame) => {
        if (finish()) this.#sendResult({ callId, frame });
      },
      onFailure: (error) => {
        if (finish(error)) this.#fail(callId, error);
      },
      onCancel: () => {
        if (span !== undefined) endCallSpan(span, call.instance);
        record?.drop();
      },
    });
    this.#calls.set(callId, call);
    call.start();
  }

  #trafficOf(name: string): PoolTraffic {
    const { traffic } = this.#options;
    const found = traffic.get(name);
    if (found !== undefined) return found;
    const why =
      traffic.size === 0 ? 'no runner is configured' : `no runner is named ${quote(name)}`;
    const hint = name === DEFAULT_RUNNER ? ' (ext-plugin.cmd)' : ' (polygate.runners)';
    throw new CallError(FailureReason.UNAVAILABLE, why + hint);
  }

  #sendResult({ callId, frame }: ManagerFrame): void {
    const bytes = encodeAnswer({ callId, frame });
    if (bytes.length > FRAME_BYTES_MAX) {
      const message = `the answer has ${bytes.length} bytes, ${FRAME_BYTES_MAX} fit a message`;
      return this.#fail(callId, new CallError(FailureReason.PROTOCOL, message));
    }
    const { unreadBytesMax } = this.#options.limits;
    if (this.#batcher.backlogBytes + bytes.length > unreadBytesMax + MESSAGE_BYTES_MAX) {
      const message = 'the data plane does not read its answers';
      return this.#fail(callId, new CallError(FailureReason.OVERLOADED, message));
    }
    this.#batcher.send({ callId, bytes }, bytes.length);
  }

  #fail(callId: number, { reason, message }: CallError): void {
    this.#options.log.debug(`call ${callId} failed: ${message}`);
    this.#send({ callId, frame: { $case: 'callFailure', value: { reason, message } } });
  }

  #send(answer: ManagerFrame): void {
    const bytes = encodeAnswer(answer);
    this.#batcher.send({ callId: answer.callId, bytes }, bytes.length);
  }
}

/** What lies behind one another is one message. */
function messageOf(answers: readonly EncodedAnswer[]): Buffer {
  if (answers.length === 1) return (answers[0] as EncodedAnswer).bytes;
  return Buffer.concat(answers.map(({ bytes }) => bytes));
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, QUOTED_LENGTH_MAX));
}
