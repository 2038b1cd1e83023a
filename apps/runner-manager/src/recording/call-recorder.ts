import {
  MESSAGE_BYTES_MAX,
  RpcError,
  type ConfReference,
  type RecordCallsRequest,
  type RecordedCall,
} from '@polygate/rpc';
import { CallTape, type TapeBudget } from './call-tape.ts';

/** A call as recordings choose it. */
export interface RecordableCall {
  /** Name of the pool. */
  readonly runner: string;
  readonly conf: ConfReference;
  /** Empty where the call is not traced. */
  readonly traceparent: string;
}

/** Where the calls of a recording go. */
export interface RecordingSink {
  /** `onWritten`: the call no longer takes memory. */
  write(call: RecordedCall, onWritten: () => void): void;
  end(): void;
}

/** A call that is being recorded. */
export interface RunningRecord {
  readonly tape: CallTape;
  /** @param failure Empty: it went well. */
  finish(failure: string): void;
  /** Nobody wanted its answer any more: there is nothing to learn from it. */
  drop(): void;
}

interface Recording {
  readonly request: RecordCallsRequest;
  readonly sink: RecordingSink;
  /** Until it ends by itself. */
  callsLeft: number;
  /** Being recorded; without `failed_only` they count beforehand. */
  callsRunning: number;
}

const RECORDINGS_MAX = 8;
const CALLS_MAX = 1000;
const BYTES_MAX = 64 * 1024 * 1024;
/** Conf, names and protobuf's own bytes come on top of the frames. */
const CALL_BYTES_MAX = MESSAGE_BYTES_MAX - 1024 * 1024;
/** Where the trace id stands in a `traceparent`. */
const TRACE_ID_START = 3;
const TRACE_ID_END = 35;

/** Records the frames of chosen calls. While nobody records, all it costs is a look at `isActive`. */
export class CallRecorder {
  #recordings: readonly Recording[] = [];
  #bytes = 0;
  readonly #budget: TapeBudget = {
    take: (bytes) => {
      if (this.#bytes + bytes > BYTES_MAX) return false;
      this.#bytes += bytes;
      return true;
    },
    giveBack: (bytes) => void (this.#bytes -= bytes),
  };

  get isActive(): boolean {
    return this.#recordings.length > 0;
  }

  /**
   * Returns how to stop it, which may be called more than once.
   *
   * @throws {RpcError} INVALID_ARGUMENT, RESOURCE_EXHAUSTED
   */
  start(request: RecordCallsRequest, sink: RecordingSink): () => void {
    const { callsMax } = request;
    if (callsMax < 1 || callsMax > CALLS_MAX) {
      throw new RpcError('INVALID_ARGUMENT', `calls_max must be from 1 to ${CALLS_MAX}`);
    }
    if (this.#recordings.length >= RECORDINGS_MAX) {
      const message = `${RECORDINGS_MAX} recordings are running already`;
      throw new RpcError('RESOURCE_EXHAUSTED', message);
    }
    const recording = { request, sink, callsLeft: callsMax, callsRunning: 0 };
    this.#recordings = [...this.#recordings, recording];
    return () => this.#stop(recording);
  }

  /** Undefined: no recording has chosen it. */
  record(call: RecordableCall): RunningRecord | undefined {
    const chosenBy = this.#recordings.filter((recording) => wants(recording, call));
    if (chosenBy.length === 0) return undefined;
    for (const recording of chosenBy) recording.callsRunning += 1;
    const tape = new CallTape(this.#budget, CALL_BYTES_MAX);
    return {
      tape,
      finish: (failure) => this.#finish(chosenBy, tape, { call, failure }),
      drop: () => {
        for (const recording of chosenBy) recording.callsRunning -= 1;
        tape.clear();
      },
    };
  }

  #finish(
    recordings: readonly Recording[],
    tape: CallTape,
    { call, failure }: { call: RecordableCall; failure: string },
  ): void {
    const { runner, conf } = call;
    const recorded: RecordedCall = {
      runner,
      atMs: tape.startedAtMs,
      conf,
      frames: [...tape.frames],
      failure,
    };
    let writing = 1;
    const onWritten = (): void => {
      writing -= 1;
      if (writing === 0) tape.clear();
    };
    for (const recording of recordings) {
      recording.callsRunning -= 1;
      const isWanted = failure !== '' || !recording.request.failedOnly;
      // A call without frames never got to the runner, or was too large.
      if (!isWanted || tape.frames.length === 0 || !this.#recordings.includes(recording)) continue;
      writing += 1;
      recording.callsLeft -= 1;
      recording.sink.write(recorded, onWritten);
      if (recording.callsLeft === 0) this.#stop(recording);
    }
    onWritten();
  }

  #stop(recording: Recording): void {
    if (!this.#recordings.includes(recording)) return;
    this.#recordings = this.#recordings.filter((other) => other !== recording);
    recording.sink.end();
  }
}

function wants({ request, callsLeft, callsRunning }: Recording, call: RecordableCall): boolean {
  const { runner, plugin, traceId, failedOnly } = request;
  if (!failedOnly && callsRunning >= callsLeft) return false;
  if ((runner || 'default') !== call.runner) return false;
  if (traceId !== '' && call.traceparent.slice(TRACE_ID_START, TRACE_ID_END) !== traceId) {
    return false;
  }
  return plugin === '' || call.conf.plugins.some(({ name }) => name === plugin);
}
