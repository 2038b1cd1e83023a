import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  decodeErrorResponse,
  decodeHttpReqCallResponse,
  decodePrepareConfResponse,
  encodeFrame,
  encodeHttpReqCallRequest,
  encodePrepareConfRequest,
  FrameDecoder,
  FrameType,
} from '@polygate/runner-protocol';
import type { Frame, HttpReqCallRequest, TextEntry } from '@polygate/runner-protocol';

/** The gateway's side of one connection, for tests: real socket, real codecs. */
export class TestGateway {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  readonly #decoder = new FrameDecoder();
  readonly #frames: Frame[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = once(socket, 'close');
    socket.on('data', (chunk: Buffer) => {
      for (const { type, payload } of this.#decoder.push(chunk)) {
        this.#frames.push({ type, payload: Buffer.from(payload) });
      }
      this.#wake?.();
    });
    socket.on('error', () => this.#wake?.());
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  static async connect(path: string): Promise<TestGateway> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new TestGateway(socket);
  }

  send(type: number, payload: Uint8Array): void {
    this.socket.write(encodeFrame(type, payload));
  }

  async receive(): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.#ended) throw new Error('the runner closed the connection');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The token; throws where the runner answers with an error. */
  async prepare(conf: readonly TextEntry[], key = 'route#1#ext-plugin-pre-req#7'): Promise<number> {
    this.send(FrameType.PREPARE_CONF, encodePrepareConfRequest({ conf, key }));
    const frame = await this.receive();
    if (frame.type !== FrameType.PREPARE_CONF) throw new Error(`frame of type ${frame.type}`);
    return decodePrepareConfResponse(frame.payload).confToken;
  }

  call(init: Partial<HttpReqCallRequest>): void {
    this.send(
      FrameType.HTTP_REQ_CALL,
      encodeHttpReqCallRequest({
        id: 1,
        srcIp: Buffer.from([127, 0, 0, 1]),
        method: 'GET',
        path: '/hello',
        args: [],
        headers: [],
        confToken: 0,
        ...init,
      }),
    );
  }

  async result() {
    const frame = await this.receive();
    if (frame.type !== FrameType.HTTP_REQ_CALL) throw new Error(`frame of type ${frame.type}`);
    return decodeHttpReqCallResponse(frame.payload);
  }

  async errorCode(): Promise<number> {
    const frame = await this.receive();
    if (frame.type !== FrameType.ERROR) throw new Error(`frame of type ${frame.type}`);
    return decodeErrorResponse(frame.payload).code;
  }
}
