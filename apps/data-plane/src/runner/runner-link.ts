import type { Logger } from '@polygate/plugin-sdk';
import { connectRunnerService, FrameBatcher, RpcError, waitUntilConnected } from '@polygate/rpc';
import type {
  ClientTls,
  DataPlaneFrame,
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
  onUp(): void;
  onFrame(frame: ManagerFrame): void;
  /** The stream broke; what was not written yet has been dropped. Not called after `close`. */
  onDown(reason: string): void;
}

type ConnectStream = ReturnType<RunnerServiceClient['connect']>;

interface OpenStream {
  readonly stream: ConnectStream;
  readonly batcher: FrameBatcher<DataPlaneFrame>;
}

/** One stream to the runner manager, opened anew when it breaks. Waits by turns, with jitter. */
export class RunnerLink {
  readonly #options: RunnerLinkOptions;
  readonly #client: RunnerServiceClient;
  #open: OpenStream | undefined;
  #closed = false;
  /** Attempts in a row that ended before anything came back. */
  #failures = 0;
  #outageLogged = false;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(options: RunnerLinkOptions) {
    this.#options = options;
    this.#client = connectRunnerService({ address: options.address, tls: options.tls });
    void this.#connect();
  }

  get connected(): boolean {
    return this.#open !== undefined;
  }

  /** Bytes that the stream did not take yet. The caller bounds them: it knows whom to refuse. */
  get backlogBytes(): number {
    return this.#open?.batcher.backlogBytes ?? 0;
  }

  /** Frames of one turn of the event loop go in one message. Without a stream they are dropped. */
  send(frame: DataPlaneFrame, sizeBytes: number): void {
    this.#open?.batcher.send(frame, sizeBytes);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    const stream = this.#forgetStream();
    stream?.cancel();
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
    if (!this.#closed) this.#openStream();
  }

  #openStream(): void {
    const stream = this.#client.connect();
    const batcher = new FrameBatcher<DataPlaneFrame>({
      write: (frames) => stream.write({ frames }),
    });
    this.#open = { stream, batcher };
    stream.on('data', (message: RunnerConnectResponse) => {
      if (this.#open?.stream !== stream) return;
      this.#failures = 0;
      this.#outageLogged = false;
      for (const frame of message.frames) this.#options.onFrame(frame);
    });
    stream.on('drain', () => batcher.drained());
    // A broken stream says so by `error`, one that the manager ended by `end`; `status` comes last.
    stream.on('error', (error) => this.#lose(stream, RpcError.from(error).message));
    stream.on('end', () => this.#lose(stream, 'the manager ended the stream'));
    stream.on('status', ({ details }) => this.#lose(stream, details));
    this.#options.onUp();
  }

  #lose(stream: ConnectStream, reason: string): void {
    if (this.#open?.stream !== stream) return;
    this.#forgetStream();
    stream.cancel();
    this.#retryLater(reason);
    this.#options.onDown(reason);
  }

  #forgetStream(): ConnectStream | undefined {
    const open = this.#open;
    this.#open = undefined;
    open?.batcher.close();
    return open?.stream;
  }

  #retryLater(reason: string): void {
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
