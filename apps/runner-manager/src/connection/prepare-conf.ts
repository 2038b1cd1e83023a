import { FailureReason, type PluginConf } from '@polygate/rpc';
import {
  decodePrepareConfResponse,
  encodeFrame,
  encodePrepareConfRequest,
  FrameType,
  ProtocolError,
} from '@polygate/runner-protocol';
import { CallError } from '../call-error.ts';
import type { RunnerConnection } from './runner-connection.ts';
import type { RunnerConnections } from './runner-connections.ts';
import { RunnerExchange } from './runner-exchange.ts';

export interface PrepareOptions {
  readonly connections: RunnerConnections;
  readonly key: string;
  readonly plugins: readonly PluginConf[];
  /** Until the runner's answer is there, the wait for a connection included. */
  readonly timeoutMs: number;
}

const RPC_NAME = 'RPC_PREPARE_CONF';

/**
 * Hands a conf to a runner and resolves to its token. On a connection of its own, closed afterwards:
 * the Java runner sends the answer twice.
 *
 * @throws {CallError} RUNNER_ERROR when the runner rejects the conf, UNAVAILABLE when nobody listens.
 */
export async function prepareConf(options: PrepareOptions): Promise<number> {
  const frame = encodeRequest(options);
  const connection = await acquireFresh(options);
  try {
    return decodeAnswer(await exchange(connection, frame, options.timeoutMs));
  } finally {
    connection.destroy();
  }
}

function encodeRequest({ key, plugins }: PrepareOptions): Buffer {
  try {
    return encodeFrame(FrameType.PREPARE_CONF, encodePrepareConfRequest({ conf: plugins, key }));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const message = `failed to send ${RPC_NAME}: ${error.message}`;
    throw new CallError(FailureReason.INVALID_CALL, message, { cause: error });
  }
}

function decodeAnswer(payload: Buffer): number {
  try {
    return decodePrepareConfResponse(payload).confToken;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const message = `failed to receive ${RPC_NAME}: ${error.message}`;
    throw new CallError(FailureReason.PROTOCOL, message, { cause: error });
  }
}

async function acquireFresh(options: PrepareOptions): Promise<RunnerConnection> {
  const { connections, timeoutMs } = options;
  const { connection, abandon } = connections.acquire({ fresh: true });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      abandon();
      // One that is being opened comes all the same.
      connection.then(
        (unused) => unused.destroy(),
        () => undefined,
      );
      reject(timedOut());
    }, timeoutMs);
  });
  try {
    return await Promise.race([connection, late]);
  } finally {
    clearTimeout(timer);
  }
}

function exchange(connection: RunnerConnection, frame: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      connection.destroy();
      reject(timedOut());
    }, timeoutMs);
    new RunnerExchange(connection, {
      frameType: FrameType.PREPARE_CONF,
      rpcName: RPC_NAME,
      openQuestionsMax: 0,
      onAnswer: (payload) => {
        clearTimeout(timer);
        resolve(payload);
      },
      onFailure: (error) => {
        clearTimeout(timer);
        reject(error);
      },
    }).begin(frame);
  });
}

function timedOut(): CallError {
  return new CallError(FailureReason.TIMEOUT, `failed to receive ${RPC_NAME}: timeout`);
}
