import { FailureReason, type ManagerFrame, type PluginConf } from '@polygate/rpc';
import {
  decodePrepareConfResponse,
  encodeFrame,
  encodePrepareConfRequest,
  FrameType,
  ProtocolError,
  type ExtraInfoRequest,
} from '@polygate/runner-protocol';
import { CallError } from '../call-error.ts';
import { CallLife } from './call-life.ts';
import type { RunnerLimits } from '../manager-options.ts';
import type { RunnerConnection } from '../connection/runner-connection.ts';
import { receiveName, RunnerExchange } from '../connection/runner-exchange.ts';
import type { RunnerGeneration } from '../process/runner-generation.ts';
import type { RunnerCallKind } from './runner-messages.ts';
import type { Runner } from '../process/runner.ts';

/**
 * As in APISIX (`communicate`): after that many times "conf token not found" the call has failed.
 */
const TRIES_MAX = 3;
/** A token younger than this was known to the runner: an odd answer has another reason. */
const DOUBTFUL_TOKEN_AGE_MS = 10_000;
/** Recycled like APISIX's; 0 is left out because the Python runner refuses it. */
const CALL_ID_MAX = 0x7fff_ffff;

let lastCallId = 0;

export interface RunnerCallOptions {
  readonly runner: Runner;
  readonly kind: RunnerCallKind;
  readonly confKey: string;
  readonly plugins: readonly PluginConf[];
  /** 0 takes the default. */
  readonly timeoutMs: number;
  readonly limits: RunnerLimits;
  readonly onQuestion: (question: ExtraInfoRequest) => void;
}

/** One plugin call, from waiting for the runner to its answer. */
export class RunnerCall {
  readonly #options: RunnerCallOptions;
  readonly #life: CallLife;
  #exchange: RunnerExchange | undefined;

  /** The time runs from here. */
  constructor(options: RunnerCallOptions) {
    this.#options = options;
    const { kind, limits, timeoutMs } = options;
    const message = `failed to receive ${receiveName(kind)}: timeout`;
    this.#life = new CallLife(
      timeoutMs === 0 ? limits.callTimeoutMs : timeoutMs,
      () => new CallError(FailureReason.TIMEOUT, message),
    );
  }

  /** @throws {CallError} */
  async run(): Promise<NonNullable<ManagerFrame['frame']>> {
    try {
      return await this.#runWithKnownToken();
    } finally {
      this.#life.finish();
    }
  }

  /** The data plane's answer to the oldest open question. */
  answer(result: Uint8Array | undefined): void {
    this.#exchange?.answer(result);
  }

  /** Nobody wants the answer: the connection is cut, `run` rejects. */
  cancel(): void {
    this.#life.end(new CallError(FailureReason.UNSPECIFIED, 'the call was cancelled'));
  }

  async #runWithKnownToken(): Promise<NonNullable<ManagerFrame['frame']>> {
    const { runner, confKey } = this.#options;
    for (let tries = 1; ; tries += 1) {
      const generation = runner.current ?? (await this.#life.wait(runner.whenReady()));
      const confToken = generation.tokens.get(confKey) ?? (await this.#obtainToken(generation));
      try {
        return await this.#converse(generation, confToken);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        const ageMsMin = error.tokenDoubtful ? DOUBTFUL_TOKEN_AGE_MS : 0;
        if (!error.tokenUnknown && !error.tokenDoubtful) throw error;
        generation.tokens.evict(confKey, confToken, ageMsMin);
        if (!error.tokenUnknown || tries === TRIES_MAX) throw error;
      }
    }
  }

  #obtainToken(generation: RunnerGeneration): Promise<number> {
    const { confKey, plugins, limits, runner } = this.#options;
    const prepare = (): Promise<number> =>
      prepareConf({ generation, runner, key: confKey, plugins, limits });
    return this.#life.wait(generation.tokens.obtain(confKey, prepare));
  }

  async #converse(generation: RunnerGeneration, confToken: number) {
    const { kind } = this.#options;
    const id = nextCallId();
    const frame = this.#encode(id, confToken);
    let answer: Answer;
    try {
      answer = await this.#exchangeOnce(generation, frame, false);
    } catch (error) {
      const stale = error instanceof CallError && error.connectionStale && !generation.ended;
      if (!stale) throw error;
      answer = await this.#exchangeAgain(generation, frame, error);
    }
    const { connection, payload } = answer;
    try {
      const result = kind.decode(payload, id);
      generation.connections.release(connection);
      return result;
    } catch (error) {
      connection.destroy();
      if (!(error instanceof ProtocolError)) throw error;
      const message = `failed to receive ${receiveName(kind)}: ${error.message}`;
      throw new CallError(FailureReason.PROTOCOL, message, { cause: error });
    }
  }

  /** Where nobody listens any more, the runner died of the first try: that is what to tell. */
  async #exchangeAgain(
    generation: RunnerGeneration,
    frame: Buffer,
    firstError: CallError,
  ): Promise<Answer> {
    try {
      return await this.#exchangeOnce(generation, frame, true);
    } catch (error) {
      const unreachable = CallError.from(error).reason === FailureReason.UNAVAILABLE;
      throw unreachable ? firstError : error;
    }
  }

  async #exchangeOnce(
    generation: RunnerGeneration,
    frame: Buffer,
    fresh: boolean,
  ): Promise<Answer> {
    const { kind, limits, onQuestion, runner } = this.#options;
    const connection =
      (fresh ? undefined : generation.connections.takeIdle()) ??
      (await acquire({ generation, runner, life: this.#life, fresh }));
    const exchange = new RunnerExchange(connection, {
      frameType: kind.frameType,
      rpcName: kind.rpcName,
      frame,
      openQuestionsMax: limits.openQuestionsMax,
      onQuestion,
    });
    this.#exchange = exchange;
    try {
      return { connection, payload: await exchange.run(this.#life) };
    } catch (error) {
      // After an error frame the connection is in step and can be used again.
      const inStep = error instanceof CallError && error.reason === FailureReason.RUNNER_ERROR;
      if (inStep) generation.connections.release(connection);
      else connection.destroy();
      throw error;
    } finally {
      this.#exchange = undefined;
    }
  }

  #encode(id: number, confToken: number): Buffer {
    const { kind } = this.#options;
    try {
      return encodeFrame(kind.frameType, kind.encode(id, confToken));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const message = `failed to send ${kind.rpcName}: ${error.message}`;
      throw new CallError(FailureReason.INVALID_CALL, message, { cause: error });
    }
  }
}

interface Answer {
  readonly connection: RunnerConnection;
  readonly payload: Buffer;
}

interface AcquireOptions {
  readonly generation: RunnerGeneration;
  readonly runner: Runner;
  readonly life: CallLife;
  readonly fresh: boolean;
}

async function acquire(options: AcquireOptions): Promise<RunnerConnection> {
  const { generation, runner, life, fresh } = options;
  const acquisition = generation.connections.acquire({ fresh });
  try {
    return await life.wait(acquisition.connection, (late) => generation.connections.release(late));
  } catch (error) {
    acquisition.abandon();
    if (error instanceof CallError && error.reason === FailureReason.UNAVAILABLE) {
      runner.noteUnreachable(generation, error.message);
    }
    throw error;
  }
}

interface PrepareOptions {
  readonly generation: RunnerGeneration;
  readonly runner: Runner;
  readonly key: string;
  readonly plugins: readonly PluginConf[];
  readonly limits: RunnerLimits;
}

/**
 * Hands the conf to the runner. On a connection of its own, closed afterwards: the Java runner
 * sends the answer twice.
 */
async function prepareConf(options: PrepareOptions): Promise<number> {
  const { generation, runner, key, plugins, limits } = options;
  const rpcName = 'RPC_PREPARE_CONF';
  const life = new CallLife(
    limits.callTimeoutMs,
    () => new CallError(FailureReason.TIMEOUT, `failed to receive ${rpcName}: timeout`),
  );
  let connection: RunnerConnection | undefined;
  try {
    const payload = encodePrepareConfRequest({ conf: plugins, key });
    const frame = encodeFrame(FrameType.PREPARE_CONF, payload);
    connection = await acquire({ generation, runner, life, fresh: true });
    const exchange = new RunnerExchange(connection, {
      frameType: FrameType.PREPARE_CONF,
      rpcName,
      frame,
      openQuestionsMax: 0,
    });
    return decodePrepareConfResponse(await exchange.run(life)).confToken;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const tooLarge = error.code === 'TOO_LARGE';
    throw new CallError(
      tooLarge ? FailureReason.INVALID_CALL : FailureReason.PROTOCOL,
      `failed to ${tooLarge ? 'send' : 'receive'} ${rpcName}: ${error.message}`,
      { cause: error },
    );
  } finally {
    life.finish();
    connection?.destroy();
  }
}

function nextCallId(): number {
  lastCallId = lastCallId === CALL_ID_MAX ? 1 : lastCallId + 1;
  return lastCallId;
}
