// Test-only: a gRPC service of all four kinds, and its client, without generated code.
import type { EventEmitter } from 'node:events';
import * as grpc from '@grpc/grpc-js';

const text = {
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
};

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return { path: `/test.Echo/${name}`, requestStream, responseStream, ...text };
}

const DEFINITION = {
  unary: method('Unary', false, false),
  serverStream: method('ServerStream', false, true),
  clientStream: method('ClientStream', true, false),
  bidi: method('Bidi', true, true),
  never: method('Never', false, false),
  fail: method('Fail', false, false),
} satisfies grpc.ServiceDefinition;

export interface EchoClient extends grpc.Client {
  unary: Call;
  never: Call;
  fail: Call;
  serverStream(value: string, metadata?: grpc.Metadata): grpc.ClientReadableStream<string>;
  clientStream(callback: Callback): grpc.ClientWritableStream<string>;
  bidi(): grpc.ClientDuplexStream<string, string>;
}

type Callback = (error: grpc.ServiceError | null, value?: string) => void;
type Call = (
  value: string,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  callback: Callback,
) => grpc.ClientUnaryCall;

export interface EchoServer {
  readonly port: number;
  readonly server: grpc.Server;
  /** `:path` of calls that the server saw cancelled. */
  readonly cancelled: string[];
  /** Metadata of the last call. */
  lastMetadata: grpc.Metadata | undefined;
  lastDeadline: grpc.Deadline | undefined;
  /** Peers that called, by connection. */
  readonly peers: Set<string>;
}

export async function startEchoServer(
  credentials: grpc.ServerCredentials = grpc.ServerCredentials.createInsecure(),
  options: grpc.ServerOptions = {},
): Promise<EchoServer> {
  const server = new grpc.Server(options);
  const echo: { -readonly [K in keyof EchoServer]: EchoServer[K] } = {
    port: 0,
    server,
    cancelled: [],
    lastMetadata: undefined,
    lastDeadline: undefined,
    peers: new Set(),
  };
  const note = (call: AnyCall): void => {
    echo.lastMetadata = call.metadata;
    echo.lastDeadline = call.getDeadline();
    echo.peers.add(call.getPeer());
    const emitter: EventEmitter = call;
    emitter.on('cancelled', () => echo.cancelled.push(call.getPath()));
  };
  server.addService(DEFINITION, {
    unary: ((call, callback) => {
      note(call);
      const trailer = new grpc.Metadata();
      trailer.set('x-trailer', 'bye');
      callback(null, call.request.toUpperCase(), trailer);
    }) satisfies grpc.handleUnaryCall<string, string>,
    never: note satisfies grpc.handleUnaryCall<string, string>,
    fail: ((call, callback) => {
      note(call);
      const metadata = new grpc.Metadata();
      metadata.set('x-reason', 'tired');
      callback({ code: grpc.status.FAILED_PRECONDITION, details: 'not today', metadata });
    }) satisfies grpc.handleUnaryCall<string, string>,
    serverStream: ((call) => {
      note(call);
      for (let i = 0; i < Number(call.request); i++) call.write(`${i}`);
      call.end();
    }) satisfies grpc.handleServerStreamingCall<string, string>,
    clientStream: ((call, callback) => {
      note(call);
      let size = 0;
      call.on('data', (value: string) => (size += value.length));
      call.on('end', () => callback(null, String(size)));
    }) satisfies grpc.handleClientStreamingCall<string, string>,
    bidi: ((call) => {
      note(call);
      call.on('data', (value: string) => call.write(`echo ${value}`));
      call.on('end', () => call.end());
    }) satisfies grpc.handleBidiStreamingCall<string, string>,
  });
  echo.port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
  return echo;
}

type AnyCall =
  | grpc.ServerUnaryCall<string, string>
  | grpc.ServerReadableStream<string, string>
  | grpc.ServerWritableStream<string, string>
  | grpc.ServerDuplexStream<string, string>;

export function echoClient(address: string, options: grpc.ClientOptions = {}): EchoClient {
  const Client = grpc.makeGenericClientConstructor(DEFINITION, 'Echo');
  return new Client(address, grpc.credentials.createInsecure(), options) as unknown as EchoClient;
}

export interface CallResult {
  readonly value: string | undefined;
  readonly error: grpc.ServiceError | null;
  readonly trailers: grpc.Metadata | undefined;
}

export function callUnary(
  client: EchoClient,
  name: 'unary' | 'fail' | 'never',
  value: string,
  options: grpc.CallOptions & { metadata?: grpc.Metadata } = {},
): Promise<CallResult> {
  const { metadata = new grpc.Metadata(), ...more } = options;
  return new Promise((resolve) => {
    let result: Omit<CallResult, 'trailers'> | undefined;
    let trailers: grpc.Metadata | undefined;
    const finish = (): void => {
      if (result !== undefined && trailers !== undefined) resolve({ ...result, trailers });
    };
    const call = client[name](value, metadata, more, (error, answer) => {
      result = { value: answer, error };
      finish();
    });
    call.on('status', (status: grpc.StatusObject) => {
      trailers = status.metadata;
      finish();
    });
  });
}

export function readAll(stream: grpc.ClientReadableStream<string>): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const values: string[] = [];
    stream.on('data', (value: string) => values.push(value));
    stream.on('error', reject);
    stream.on('end', () => resolve(values));
  });
}
