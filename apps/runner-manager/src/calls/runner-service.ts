import type { Meter, Tracer } from '@opentelemetry/api';
import {
  RpcError,
  type ListRunnersResponse,
  type Runner,
  type RunnerConnectRequest,
  type RunnerConnectResponse,
  type RunnerServiceServer,
  type ServerDuplexStream,
} from '@polygate/rpc';
import type { ManagerLog, RunnerLimits } from '../manager-options.ts';
import { CallRecorder } from '../recording/call-recorder.ts';
import { CallSession } from './call-session.ts';
import { observeTraffic } from './observe-traffic.ts';
import { poolTraffic, type PoolTraffic, type ServedPool } from './pool-traffic.ts';
import { noSuchRunner, recordCalls, watchLog } from './runner-streams.ts';

export interface RunnerServiceOptions {
  readonly limits: RunnerLimits;
  readonly log: ManagerLog;
  readonly tracer: Tracer | undefined;
  /** Undefined: no metrics are sent. */
  readonly meter?: Meter | undefined;
}

/** Of the lines that a pool keeps, so many are listed. */
const LAST_LINES = 20;

/** `polygate.runner.v1.RunnerService`. */
export class RunnerService {
  readonly #options: RunnerServiceOptions;
  readonly #pools = new Map<string, PoolTraffic>();
  readonly #recorder = new CallRecorder();

  constructor(options: RunnerServiceOptions) {
    this.#options = options;
    if (options.meter !== undefined) observeTraffic(options.meter, this.#pools);
  }

  /** From now on the pool gets calls. */
  add(served: ServedPool): void {
    this.#pools.set(served.pool.name, poolTraffic(served, this.#options.limits));
  }

  /** The pool gets no more calls; those under way go on. */
  remove(name: string): void {
    this.#pools.get(name)?.queue.close();
    this.#pools.delete(name);
  }

  get handlers(): RunnerServiceServer {
    return {
      connect: (stream) => this.#connect(stream),
      listRunners: (_call, callback) => callback(null, this.listRunners()),
      restartRunner: ({ request }, callback) => {
        this.restartRunner(request.name).then(
          (generation) => callback(null, { generation }),
          (error: unknown) => callback(statusOf(error)),
        );
      },
      watchRunnerLog: (call) => watchLog(call, this.#pools.get(call.request.name)?.pool),
      recordCalls: (call) => recordCalls(call, this.#recorder, this.#pools),
    };
  }

  listRunners(): ListRunnersResponse {
    return { runners: [...this.#pools.values()].map(describe) };
  }

  /** @throws {RpcError} NOT_FOUND, FAILED_PRECONDITION */
  async restartRunner(name: string): Promise<number> {
    const pool = this.#pools.get(name)?.pool;
    if (pool === undefined) throw noSuchRunner(name);
    return pool.restart('restart asked for');
  }

  close(): void {
    for (const name of [...this.#pools.keys()]) this.remove(name);
  }

  #connect(stream: ServerDuplexStream<RunnerConnectRequest, RunnerConnectResponse>): void {
    const { limits, log, tracer } = this.#options;
    // `runnerService` takes messages that are encoded already.
    const encoded = stream as ServerDuplexStream<RunnerConnectRequest, unknown>;
    const session = new CallSession({
      traffic: this.#pools,
      recorder: this.#recorder,
      limits,
      log,
      tracer,
      write: (message, onWritten) =>
        onWritten === undefined ? encoded.write(message) : encoded.write(message, onWritten),
    });
    const close = (): void => session.close();
    stream.on('data', ({ frames }: RunnerConnectRequest) => {
      try {
        session.receive(frames);
      } catch (error) {
        close();
        const { message } = RpcError.from(error);
        log.error(`broken stream of a data plane: ${message}`);
        stream.emit('error', { code: RpcError.from(error).statusCode, details: message });
      }
    });
    stream.on('drain', () => session.drained());
    stream.on('cancelled', close);
    stream.on('close', close);
    stream.on('error', close);
    stream.on('end', () => {
      close();
      stream.end();
    });
  }
}

function describe({ pool, confs, queue, stats }: PoolTraffic): Runner {
  const status = pool.status();
  return {
    ...status,
    callsInFlight: status.instances.reduce((sum, { callsInFlight }) => sum + callsInFlight, 0),
    callsWaiting: queue.size,
    confsHeld: confs.size,
    confTokens: confs.countTokens(),
    pluginCalls: stats.list(),
    lastLines: pool.lastLines().slice(-LAST_LINES),
  };
}

function statusOf(error: unknown): { code: number; details: string } {
  const { statusCode, message } = RpcError.from(error);
  return { code: statusCode, details: message };
}
