import type { Tracer } from '@opentelemetry/api';
import {
  RpcError,
  type ListRunnersResponse,
  type RunnerConnectRequest,
  type RunnerConnectResponse,
  type RunnerServiceServer,
  type ServerDuplexStream,
} from '@polygate/rpc';
import { CallSession } from './call-session.ts';
import type { ManagerLog, RunnerLimits } from '../manager-options.ts';
import type { Runner } from '../process/runner.ts';

export interface RunnerServiceOptions {
  readonly runner: Runner | undefined;
  readonly limits: RunnerLimits;
  readonly log: ManagerLog;
  readonly tracer: Tracer | undefined;
}

/** `polygate.runner.v1.RunnerService`. */
export class RunnerService {
  readonly #options: RunnerServiceOptions;
  readonly #sessions = new Set<CallSession>();

  constructor(options: RunnerServiceOptions) {
    this.#options = options;
  }

  get handlers(): RunnerServiceServer {
    return {
      connect: (stream) => this.#connect(stream),
      listRunners: (_call, callback) => callback(null, this.listRunners()),
    };
  }

  listRunners(): ListRunnersResponse {
    const { runner } = this.#options;
    if (runner === undefined) return { runners: [] };
    let callsInFlight = 0;
    for (const session of this.#sessions) callsInFlight += session.callsInFlight;
    return { runners: [{ ...runner.status(), callsInFlight }] };
  }

  #connect(stream: ServerDuplexStream<RunnerConnectRequest, RunnerConnectResponse>): void {
    const session = new CallSession({
      ...this.#options,
      write: (frames) => stream.write({ frames }),
    });
    this.#sessions.add(session);
    const close = (): void => {
      session.close();
      this.#sessions.delete(session);
    };
    stream.on('data', ({ frames }: RunnerConnectRequest) => {
      try {
        session.receive(frames);
      } catch (error) {
        close();
        const { message } = RpcError.from(error);
        this.#options.log.error(`broken stream of a data plane: ${message}`);
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
