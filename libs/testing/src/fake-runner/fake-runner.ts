import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decodeExtraInfoResponse,
  decodeHttpReqCallRequest,
  decodeHttpRespCallRequest,
  decodePrepareConfRequest,
  encodeErrorResponse,
  encodeExtraInfoRequest,
  encodeFrame,
  encodeHttpReqCallResponse,
  encodeHttpRespCallResponse,
  encodePrepareConfResponse,
  FrameDecoder,
  FrameType,
  type ExtraInfoRequest,
  type Frame,
  type HttpReqCallAction,
  type HttpReqCallRequest,
  type HttpRespCallRequest,
  type PrepareConfRequest,
} from '@polygate/runner-protocol';

/** What the script of a fake runner does on one connection; nothing is checked on the way out. */
export interface FakePeer {
  readonly socket: Socket;
  /** Frames that came on this connection so far, questions' answers left out. */
  readonly framesReceived: number;
  send(type: number, payload: Uint8Array): void;
  /** Any bytes, whether they are a frame or not. */
  sendBytes(bytes: Uint8Array): void;
  sendError(code: number): void;
  prepareConf(confToken: number): void;
  answer(id: number, action?: HttpReqCallAction): void;
  answerResponse(id: number, status: number, body?: Uint8Array): void;
  /** May be called several times before the first answer: they come in the order of asking. */
  ask(question: ExtraInfoRequest): Promise<Buffer | undefined>;
}

/** Each left out answers by the book: tokens from 1, "continue", an unchanged response. */
export interface FakeRunnerScript {
  readonly onConnection?: ((peer: FakePeer) => void) | undefined;
  readonly onPrepareConf?: ((request: PrepareConfRequest, peer: FakePeer) => void) | undefined;
  readonly onRequestCall?: ((request: HttpReqCallRequest, peer: FakePeer) => unknown) | undefined;
  readonly onResponseCall?: ((request: HttpRespCallRequest, peer: FakePeer) => unknown) | undefined;
}

export interface FakeRunner {
  readonly socketPath: string;
  readonly connectionsOpen: number;
  readonly connectionsTotal: number;
  readonly prepareRequests: readonly PrepareConfRequest[];
  readonly requestCalls: readonly HttpReqCallRequest[];
  readonly responseCalls: readonly HttpRespCallRequest[];
  /** From now on this script; what is under way goes on. */
  use(script: FakeRunnerScript): void;
  /** Cuts every connection, as when the idle time of a runner is over. */
  hangUp(): void;
  close(): Promise<void>;
}

/** A plugin runner on a unix socket that does what a test wants, in the same process. */
export async function startFakeRunner(
  script: FakeRunnerScript = {},
  path?: string,
): Promise<FakeRunner> {
  const directory = path === undefined ? await mkdtemp(join(tmpdir(), 'fake-runner-')) : undefined;
  const socketPath = path ?? join(directory ?? '', 'r.sock');
  const runner = new ScriptedRunner(script);
  const server = createServer((socket) => runner.accept(socket));
  await listen(server, socketPath);
  return Object.assign(runner, {
    socketPath,
    close: async () => {
      runner.hangUp();
      await new Promise((resolve) => server.close(resolve));
      if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    },
  });
}

class ScriptedRunner {
  #script: FakeRunnerScript;
  #lastToken = 0;
  readonly #sockets = new Set<Socket>();
  readonly prepareRequests: PrepareConfRequest[] = [];
  readonly requestCalls: HttpReqCallRequest[] = [];
  readonly responseCalls: HttpRespCallRequest[] = [];
  connectionsTotal = 0;

  constructor(script: FakeRunnerScript) {
    this.#script = script;
  }

  get connectionsOpen(): number {
    return this.#sockets.size;
  }

  use(script: FakeRunnerScript): void {
    this.#script = script;
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  accept(socket: Socket): void {
    this.connectionsTotal += 1;
    this.#sockets.add(socket);
    const peer = new Peer(socket);
    const decoder = new FrameDecoder();
    socket.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) this.#receive(frame, peer);
    });
    // A gateway that hangs up in the middle is what many tests are about.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    this.#script.onConnection?.(peer);
  }

  #receive(frame: Frame, peer: Peer): void {
    if (frame.type === FrameType.EXTRA_INFO) return peer.takeAnswer(frame.payload);
    peer.framesReceived += 1;
    if (frame.type === FrameType.PREPARE_CONF) {
      const request = decodePrepareConfRequest(frame.payload);
      this.prepareRequests.push(request);
      if (this.#script.onPrepareConf) return this.#script.onPrepareConf(request, peer);
      this.#lastToken += 1;
      return peer.prepareConf(this.#lastToken);
    }
    if (frame.type === FrameType.HTTP_REQ_CALL) {
      const request = decodeHttpReqCallRequest(frame.payload);
      this.requestCalls.push(request);
      if (this.#script.onRequestCall) return void this.#script.onRequestCall(request, peer);
      return peer.answer(request.id);
    }
    const request = decodeHttpRespCallRequest(frame.payload);
    this.responseCalls.push(request);
    if (this.#script.onResponseCall) return void this.#script.onResponseCall(request, peer);
    peer.answerResponse(0, 0);
  }
}

class Peer implements FakePeer {
  readonly socket: Socket;
  readonly #asked: ((result: Buffer | undefined) => void)[] = [];
  framesReceived = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(type: number, payload: Uint8Array): void {
    this.sendBytes(encodeFrame(type, payload));
  }

  sendBytes(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  sendError(code: number): void {
    this.send(FrameType.ERROR, encodeErrorResponse({ code }));
  }

  prepareConf(confToken: number): void {
    this.send(FrameType.PREPARE_CONF, encodePrepareConfResponse({ confToken }));
  }

  answer(id: number, action: HttpReqCallAction = { kind: 'continue' }): void {
    this.send(FrameType.HTTP_REQ_CALL, encodeHttpReqCallResponse({ id, action }));
  }

  answerResponse(id: number, status: number, body: Uint8Array = Buffer.alloc(0)): void {
    const payload = encodeHttpRespCallResponse({ id, status, headers: [], body });
    this.send(FrameType.HTTP_RESP_CALL, payload);
  }

  ask(question: ExtraInfoRequest): Promise<Buffer | undefined> {
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    this.#asked.push(resolve);
    this.send(FrameType.EXTRA_INFO, encodeExtraInfoRequest(question));
    return promise;
  }

  takeAnswer(payload: Buffer): void {
    const { result } = decodeExtraInfoResponse(payload);
    this.#asked.shift()?.(result === undefined ? undefined : Buffer.from(result));
  }
}

function listen(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => resolve());
  });
}
