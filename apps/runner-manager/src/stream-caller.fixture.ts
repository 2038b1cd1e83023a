import {
  connectRunnerService,
  FrameBatcher,
  RpcError,
  type ClientDuplexStream,
  type DataPlaneFrame,
  type ExtraInfoQuestion,
  type FailureReason,
  type ManagerFrame,
  type RequestCall,
  type RequestResult,
  type ResponseCall,
  type RunnerConnectRequest,
  type RunnerConnectResponse,
  type RunnerServiceClient,
} from '@polygate/rpc';

export type Result = NonNullable<ManagerFrame['frame']>;
export type Answerer = (question: NonNullable<ExtraInfoQuestion['info']>) => Buffer | undefined;

interface OpenCall {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
  readonly answer: Answerer;
}

/** For tests: a data plane worker reduced to one stream and its calls. */
export class StreamCaller {
  readonly client: RunnerServiceClient;
  readonly stream: ClientDuplexStream<RunnerConnectRequest, RunnerConnectResponse>;
  readonly #batcher: FrameBatcher<DataPlaneFrame>;
  readonly #open = new Map<number, OpenCall>();
  messagesReceived = 0;
  lastCallId = 0;

  constructor(address: string) {
    this.client = connectRunnerService({ address });
    this.stream = this.client.connect();
    this.#batcher = new FrameBatcher({ write: (frames) => this.stream.write({ frames }) });
    this.stream.on('drain', () => this.#batcher.drained());
    this.stream.on('data', ({ frames }: RunnerConnectResponse) => {
      this.messagesReceived += 1;
      for (const frame of frames) this.#receive(frame);
    });
    this.stream.on('error', (error) => {
      for (const { reject } of this.#open.values()) reject(RpcError.from(error));
      this.#open.clear();
    });
  }

  request(call: Partial<RequestCall> = {}, answer: Answerer = () => undefined): Promise<Result> {
    return this.#call({ $case: 'requestCall', value: { ...DEFAULT_REQUEST, ...call } }, answer);
  }

  response(call: Partial<ResponseCall> = {}, answer: Answerer = () => undefined): Promise<Result> {
    return this.#call({ $case: 'responseCall', value: { ...DEFAULT_RESPONSE, ...call } }, answer);
  }

  send(frame: DataPlaneFrame): void {
    this.#batcher.send(frame, 100);
  }

  /** What is under way then never settles. */
  close(): void {
    this.#open.clear();
    this.#batcher.close();
    this.stream.cancel();
    this.client.close();
  }

  #call(frame: NonNullable<DataPlaneFrame['frame']>, answer: Answerer): Promise<Result> {
    this.lastCallId += 1;
    const callId = this.lastCallId;
    return new Promise((resolve, reject) => {
      this.#open.set(callId, { resolve, reject, answer });
      this.send({ callId, frame });
    });
  }

  #receive({ callId, frame }: ManagerFrame): void {
    const call = this.#open.get(callId);
    if (call === undefined || frame === undefined) return;
    if (frame.$case !== 'extraInfoQuestion') {
      this.#open.delete(callId);
      return call.resolve(frame);
    }
    const { info } = frame.value;
    const result = info && call.answer(info);
    this.send({ callId, frame: { $case: 'extraInfoAnswer', value: { result } } });
  }
}

export const DEFAULT_REQUEST: RequestCall = {
  conf: { key: 'route#1#ext-plugin-pre-req#1', plugins: [{ name: 'demo', value: '{}' }] },
  method: 'GET',
  path: '/hello',
  args: [],
  headers: [{ name: 'host', value: 'localhost' }],
  sourceIp: Buffer.from([127, 0, 0, 1]),
  timeoutMs: 0,
  traceparent: '',
  tracestate: '',
  runner: '',
  known: undefined,
  retries: 0,
};

const DEFAULT_RESPONSE: ResponseCall = {
  conf: { key: 'route#1#ext-plugin-post-resp#1', plugins: [{ name: 'demo', value: '{}' }] },
  status: 200,
  headers: [],
  timeoutMs: 0,
  traceparent: '',
  tracestate: '',
  runner: '',
  known: undefined,
  retries: 0,
};

/** The action of a request call. */
export function actionOf(result: Result): NonNullable<RequestResult['action']> {
  if (result.$case === 'requestResult' && result.value.action) return result.value.action;
  throw new Error(`no action but ${JSON.stringify(result)}`);
}

export function failure(reason: FailureReason, message: unknown): object {
  return { $case: 'callFailure', value: { reason, message } };
}

/** The runner hung up in the middle of a call; the system has several words for it. */
export const HUNG_UP =
  /^failed to receive RPC_HTTP_REQ_CALL: (closed|connection reset by peer|broken pipe)$/;
