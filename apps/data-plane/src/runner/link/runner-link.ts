import type { Logger } from '@polygate/plugin-sdk';
import {
  connectRunnerService,
  FrameBatcher,
  listRunners,
  RpcError,
  RunnerServiceService,
  waitUntilConnected,
} from '@polygate/rpc';
import type {
  ClientDuplexStream,
  ClientTls,
  ListRunnersResponse,
  ManagerFrame,
  RunnerConnectResponse,
  RunnerServiceClient,
} from '@polygate/rpc';

/** How long one attempt waits before it is reported and the next one follows. */
const CONNECT_ATTEMPT_MS = 5_000;

export interface BackoffMs {
  readonly min: number;
  readonly max: number;
}

export interface RunnerLinkOptions {
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  readonly tls: ClientTls | undefined;
  readonly log: Logger;
  readonly backoffMs: BackoffMs;
  /** A stream is there. */
  onUp(link: RunnerLink): void;
  onFrame(frame: ManagerFrame, link: RunnerLink): void;
  /** The stream broke; what was not written yet has been dropped. Not called after `close`. */
  onDown(link: RunnerLink, reason: string): void;
}

/** What goes out are frames that are encoded already. */
type ConnectStream = ClientDuplexStream<Buffer, RunnerConnectResponse>;

/** A frame on its way out, encoded. */
export interface SentFrame {
  readonly callId: number;
  readonly bytes: Buffer;
  /** The manager may have seen it. Also tells when the stream is gone. */
  hasLeft: boolean;
}

/** One stream. Frames of a call stay in order; small ones pass the large ones of other calls. */
class Lane {
  readonly stream: ConnectStream;
  readonly #batcher: FrameBatcher<SentFrame>;

  constructor(stream: ConnectStream) {
    this.stream = stream;
    this.#batcher = new FrameBatcher<SentFrame>({
      write: (frames) => stream.write(messageOf(frames)),
      large: {
        orderOf: ({ callId }) => callId,
        write: (frame, onWritten) => stream.write(messageOf([frame]), onWritten),
      },
    });
    stream.on('drain', () => this.#batcher.drained());
  }

  get backlogBytes(): number {
    return this.#batcher.backlogBytes;
  }

  send(callId: number, bytes: Buffer): SentFrame {
    const frame = { callId, bytes, hasLeft: false };
    this.#batcher.send(frame, bytes.length);
    return frame;
  }

  close(): void {
    this.#batcher.close();
    this.stream.cancel();
  }
}

/** What lies behind one another is one message. */
function messageOf(frames: readonly SentFrame[]): Buffer {
  for (const frame of frames) frame.hasLeft = true;
  if (frames.length === 1) return (frames[0] as SentFrame).bytes;
  return Buffer.concat(frames.map(({ bytes }) => bytes));
}

/**
 * The connection to one runner manager, opened anew when it breaks. Waits by turns, with jitter. Large
 * frames have a stream of their own, which is opened when there is one: on the one stream a body of
 * megabytes would hold up all that is behind it.
 */
export class RunnerLink {
  readonly address: string;
  /** For who counts them. */
  callsInFlight = 0;
  readonly #options: RunnerLinkOptions;
  readonly #client: RunnerServiceClient;
  #main: Lane | undefined;
  #large: Lane | undefined;
  #closed = false;
  /** Attempts in a row that ended before anything came back. */
  #failures = 0;
  #outageLogged = false;
  #lastError = '';
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(options: RunnerLinkOptions) {
    this.address = options.address;
    this.#options = options;
    this.#client = connectRunnerService({ address: options.address, tls: options.tls });
    void this.#connect();
  }

  get connected(): boolean {
    return this.#main !== undefined;
  }

  /** Why it is not connected; empty: it is, or nothing is known yet. */
  get lastError(): string {
    return this.connected ? '' : this.#lastError;
  }

  /** Bytes that the streams did not take yet. The caller bounds them: it knows whom to refuse. */
  get backlogBytes(): number {
    return (this.#main?.backlogBytes ?? 0) + (this.#large?.backlogBytes ?? 0);
  }

  /**
   * Frames of one turn of the event loop go in one message. Undefined without a stream: dropped. All
   * frames of one call have to go the same way.
   *
   * @param callId 0: of no call.
   */
  send(callId: number, bytes: Buffer, isLarge: boolean): SentFrame | undefined {
    if (this.#main === undefined) return undefined;
    const lane = isLarge ? (this.#large ??= this.#openLane()) : this.#main;
    return lane.send(callId, bytes);
  }

  /** @throws {RpcError} */
  listRunners(timeoutMs: number): Promise<ListRunnersResponse> {
    return listRunners(this.#client, timeoutMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    this.#forgetStreams();
    this.#client.close();
  }

  /** Never rejects. */
  async #connect(): Promise<void> {
    try {
      await waitUntilConnected(this.#client, CONNECT_ATTEMPT_MS);
    } catch (error) {
      if (!this.#closed) this.#retryLater(RpcError.from(error).message);
      return;
    }
    if (this.#closed) return;
    this.#main = this.#openLane();
    this.#options.onUp(this);
  }

  #openLane(): Lane {
    const { path, responseDeserialize } = RunnerServiceService.connect;
    const stream: ConnectStream = this.#client.makeBidiStreamRequest(
      path,
      (frames: Buffer) => frames,
      responseDeserialize,
    );
    const lane = new Lane(stream);
    stream.on('data', (message: RunnerConnectResponse) => {
      if (!this.#isOpen(lane)) return;
      this.#failures = 0;
      this.#outageLogged = false;
      for (const frame of message.frames) this.#options.onFrame(frame, this);
    });
    // A broken stream says so by `error`, one that the manager ended by `end`; `status` comes last.
    stream.on('error', (error) => this.#lose(lane, RpcError.from(error).message));
    stream.on('end', () => this.#lose(lane, 'the manager ended the stream'));
    stream.on('status', ({ details }) => this.#lose(lane, details));
    return lane;
  }

  #isOpen(lane: Lane): boolean {
    return lane === this.#main || lane === this.#large;
  }

  /** With either stream both are lost: that is one peer. */
  #lose(lane: Lane, reason: string): void {
    if (!this.#isOpen(lane)) return;
    this.#forgetStreams();
    this.#retryLater(reason);
    this.#options.onDown(this, reason);
  }

  #forgetStreams(): void {
    const lanes = [this.#main, this.#large];
    this.#main = undefined;
    this.#large = undefined;
    for (const lane of lanes) lane?.close();
  }

  #retryLater(reason: string): void {
    this.#lastError = reason;
    this.#logOutage(reason);
    const { min, max } = this.#options.backoffMs;
    const ceilingMs = Math.min(max, min * 2 ** Math.min(this.#failures, 20));
    this.#failures++;
    // Half of it is chance, so that the workers of a restarted manager do not come all at once.
    const delayMs = ceilingMs / 2 + Math.random() * (ceilingMs / 2);
    this.#retryTimer = setTimeout(() => void this.#connect(), delayMs);
    this.#retryTimer.unref();
  }

  /** Loud once per outage: the attempts would repeat it for as long as the manager is away. */
  #logOutage(reason: string): void {
    const { address, log } = this.#options;
    const message = `runner manager at ${address}: ${reason}`;
    if (this.#outageLogged) log.debug(message);
    else log.warn(message);
    this.#outageLogged = true;
  }
}
