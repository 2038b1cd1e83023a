import { RPC_STATUS, runnerService, startGrpcServer } from '@polygate/rpc';
import type {
  DataPlaneFrame,
  ManagerFrame,
  Runner,
  RunnerConnectRequest,
  RunnerConnectResponse,
  ServerDuplexStream,
} from '@polygate/rpc';

type Reply = (frames: ManagerFrame[]) => void;

/** A runner manager for tests, over real gRPC: answers what the test says. */
export interface ScriptedManager {
  readonly address: string;
  readonly messages: readonly (readonly DataPlaneFrame[])[];
  readonly streams: number;
  readonly openStreams: number;
  /** What it says of its runners. */
  runners: Runner[];
  /** Called for each message; silent until it is set. */
  onMessage: (frames: readonly DataPlaneFrame[], reply: Reply) => void;
  frames(): DataPlaneFrame[];
  breakStreams(): void;
  stop(): Promise<void>;
}

export async function startScriptedManager(address: string): Promise<ScriptedManager> {
  const messages: DataPlaneFrame[][] = [];
  const open = new Set<ServerDuplexStream<RunnerConnectRequest, RunnerConnectResponse>>();
  let streams = 0;
  const server = await startGrpcServer({
    address,
    services: [
      runnerService({
        connect: (stream) => {
          streams++;
          open.add(stream);
          stream.on('data', ({ frames }: RunnerConnectRequest) => {
            messages.push(frames);
            manager.onMessage(frames, (answers) => {
              if (answers.length > 0) stream.write({ frames: answers });
            });
          });
          stream.on('end', () => stream.end());
          stream.on('close', () => open.delete(stream));
          stream.on('cancelled', () => open.delete(stream));
        },
        listRunners: (_, callback) => callback(null, { runners: manager.runners }),
        restartRunner: (_, callback) => callback(null, { generation: 1 }),
        watchRunnerLog: (call) => call.end(),
        recordCalls: (call) => call.end(),
      }),
    ],
  });
  const manager: ScriptedManager = {
    address: server.address,
    messages,
    get streams() {
      return streams;
    },
    get openStreams() {
      return open.size;
    },
    runners: [],
    onMessage: () => undefined,
    frames: () => messages.flat(),
    breakStreams: () => {
      const { code } = RPC_STATUS.UNAVAILABLE;
      const error = Object.assign(new Error('broken by the test'), { code });
      for (const stream of open) stream.emit('error', error);
    },
    stop: () => server.stop(0),
  };
  return manager;
}

export function continueFrame({ callId }: { readonly callId: number }): ManagerFrame {
  return {
    callId,
    frame: { $case: 'requestResult', value: { action: { $case: 'continue', value: {} } } },
  };
}
