import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  decodeErrorResponse,
  decodeExtraInfoRequest,
  decodeHttpReqCallResponse,
  decodePrepareConfResponse,
  encodeExtraInfoResponse,
  encodeFrame,
  encodeHttpReqCallRequest,
  encodePrepareConfRequest,
  errorText,
  FrameDecoder,
  FrameType,
} from '@polygate/runner-protocol';
import type { ExtraInfoRequest, Frame, HttpReqCallRequest } from '@polygate/runner-protocol';
import type { TextEntry } from '@polygate/runner-protocol';

/** What a runner did within the time it had. */
export type Seen =
  | { readonly kind: 'frame'; readonly type: number; readonly payload: Buffer }
  | { readonly kind: 'closed' }
  | { readonly kind: 'silence' }
  | { readonly kind: 'garbage'; readonly reason: string };

/** What the gateway's side answers when the runner asks. */
export type Answers = (question: ExtraInfoRequest) => Buffer | undefined;

const TYPE_NAMES = ['ERROR', 'PrepareConf', 'HTTPReqCall', 'ExtraInfo', 'HTTPRespCall'];
const NO_ANSWERS: Answers = () => undefined;

/** The gateway's side of one connection to a runner, honest or not. */
export class Probe {
  readonly socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #seen: Seen[] = [];
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#push({ kind: 'closed' }));
  }

  /** @throws {Error} where nobody listens */
  static async connect(path: string): Promise<Probe> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new Probe(socket);
  }

  send(type: number, payload: Uint8Array): void {
    this.socket.write(encodeFrame(type, payload));
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next frame or what else happens first. What ends a connection is seen again each time. */
  async next(waitMs: number): Promise<Seen> {
    const [seen] = this.#seen;
    if (seen !== undefined) {
      if (seen.kind === 'frame') this.#seen.shift();
      return seen;
    }
    let timer: NodeJS.Timeout | undefined;
    const woken = await new Promise<boolean>((resolve) => {
      this.#wake = () => resolve(true);
      timer = setTimeout(() => resolve(false), waitMs);
    });
    clearTimeout(timer);
    this.#wake = undefined;
    return woken ? this.next(waitMs) : { kind: 'silence' };
  }

  /** The next that is no question; questions are answered. */
  async reply(waitMs: number, answers: Answers = NO_ANSWERS): Promise<Seen> {
    for (;;) {
      const seen = await this.next(waitMs);
      if (seen.kind !== 'frame' || seen.type !== FrameType.EXTRA_INFO) return seen;
      const result = answers(decodeExtraInfoRequest(seen.payload));
      this.send(FrameType.EXTRA_INFO, encodeExtraInfoResponse({ result }));
    }
  }

  prepare(conf: readonly TextEntry[], key: string, waitMs: number): Promise<Seen> {
    this.send(FrameType.PREPARE_CONF, encodePrepareConfRequest({ conf, key }));
    return this.next(waitMs);
  }

  call(init: Partial<HttpReqCallRequest>, waitMs: number, answers?: Answers): Promise<Seen> {
    this.send(FrameType.HTTP_REQ_CALL, requestCall(init));
    return this.reply(waitMs, answers);
  }

  close(): void {
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#push(frameSeen(frame));
    } catch (error) {
      this.#push({ kind: 'garbage', reason: (error as Error).message });
      this.socket.destroy();
    }
  }

  #push(seen: Seen): void {
    this.#seen.push(seen);
    this.#wake?.();
  }
}

/** A request call with what is not given filled in. */
export function requestCall(init: Partial<HttpReqCallRequest>): Uint8Array {
  return encodeHttpReqCallRequest({
    id: 1,
    srcIp: Buffer.from([127, 0, 0, 1]),
    method: 'GET',
    path: '/check',
    args: [],
    headers: [{ name: 'host', value: 'check.test' }],
    confToken: 0,
    ...init,
  });
}

/** In words, for the column "seen". */
export function describeSeen(seen: Seen): string {
  if (seen.kind === 'closed') return 'the connection closed';
  if (seen.kind === 'silence') return 'no answer';
  if (seen.kind === 'garbage') return `bytes that are no frame (${seen.reason})`;
  try {
    return describeFrame(seen);
  } catch (error) {
    return `a frame of type ${nameOfType(seen.type)} that is ${(error as Error).message}`;
  }
}

function describeFrame({ type, payload }: Frame): string {
  switch (type) {
    case FrameType.ERROR: {
      const { code, message } = decodeErrorResponse(payload);
      const words = message === undefined ? '' : `: ${message}`;
      return `ERROR "${errorText(code)}"${words}`;
    }
    case FrameType.PREPARE_CONF:
      return `token ${decodePrepareConfResponse(payload).confToken}`;
    case FrameType.HTTP_REQ_CALL: {
      const { id, action } = decodeHttpReqCallResponse(payload);
      return `HTTPReqCall, id ${id}, ${action.kind}`;
    }
    default:
      return `${nameOfType(type)} of ${payload.length} bytes`;
  }
}

function nameOfType(type: number): string {
  return TYPE_NAMES[type] ?? `type ${type}`;
}

function frameSeen({ type, payload }: Frame): Seen {
  return { kind: 'frame', type, payload: Buffer.from(payload) };
}
