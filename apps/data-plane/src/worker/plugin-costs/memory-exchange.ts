import type { HeaderList, Peer } from '@polygate/plugin-sdk';
import type { Exchange, RequestBody } from '../../request/exchange.ts';

const CLIENT: Peer = { address: '192.0.2.7', port: 40_000 };
const SERVER: Peer = { address: '127.0.0.1', port: 9080 };

export interface MemoryRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: Buffer | undefined;
}

/** A request without a socket. What is sent is counted, and otherwise dropped. */
export class MemoryExchange implements Exchange {
  readonly method: string;
  readonly target: string;
  readonly httpVersion = '1.1';
  readonly scheme = 'http';
  readonly headers: HeaderList;
  readonly client = CLIENT;
  readonly server = SERVER;
  readonly tls = undefined;
  readonly body: RequestBody;
  readonly upgrade = undefined;
  readonly bytesReceived = 150;
  bytesSent = 0;
  status = 0;
  isEnded = false;
  #onEnded: (() => void) | undefined;

  constructor({ method, target, headers, body }: MemoryRequest) {
    this.method = method;
    this.target = target;
    this.headers = headers;
    this.body = bodyOf(body);
  }

  listen(): void {}

  sendInformational(): void {}

  sendHead(status: number): void {
    this.status = status;
    this.bytesSent += 200;
  }

  sendChunk(chunk: Buffer): boolean {
    this.bytesSent += chunk.length;
    return true;
  }

  end(): void {
    this.isEnded = true;
    this.#onEnded?.();
  }

  destroy(): void {
    this.end();
  }

  openTunnel(): never {
    throw new Error('there is no connection to go on with');
  }

  /** For a request that waits for something. */
  async whenEnded(): Promise<void> {
    if (!this.isEnded) await new Promise<void>((resolve) => (this.#onEnded = resolve));
  }
}

function bodyOf(complete: Buffer | undefined): RequestBody {
  return {
    present: complete !== undefined,
    length: complete?.length,
    complete,
    readAll: () => Promise.resolve(complete ?? Buffer.alloc(0)),
    stream(sink) {
      if (complete !== undefined) sink.write(complete);
      sink.end();
    },
    resume: () => undefined,
  };
}
