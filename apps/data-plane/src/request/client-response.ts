import { GatewayError, HeaderList } from '@polygate/plugin-sdk';
import type { AnswerObserver, ClientResponse } from '@polygate/plugin-sdk';

/** The body of an answer whose head is held back. */
export interface HeldBody {
  read(bytesMax: number | undefined): Promise<Buffer>;
  set(body: Buffer): void;
}

/** The SDK's view of a response, filled in by whoever answers. */
export class GatewayResponse implements ClientResponse {
  status = 0;
  source: 'upstream' | 'gateway' = 'gateway';
  bodyHeld = false;
  trailers: HeaderList | undefined = undefined;
  /** As the upstream sent them, where somebody wants to know. */
  upstreamHeaders: HeaderList | undefined = undefined;
  /** In the `response` phase. */
  heldBody: HeldBody | undefined = undefined;
  /** Most answers have none. */
  observers: AnswerObserver[] | undefined = undefined;
  /** Most requests need none until an answer brings its own. */
  #headers: HeaderList | undefined = undefined;
  #early: HeaderList | undefined = undefined;

  get headers(): HeaderList {
    return (this.#headers ??= new HeaderList());
  }

  set headers(headers: HeaderList) {
    this.#headers = headers;
  }

  get early(): HeaderList {
    return (this.#early ??= new HeaderList());
  }

  get hasEarly(): boolean {
    return this.#early !== undefined;
  }

  clearContentLength(): void {
    this.headers.delete('Content-Length');
  }

  holdBody(): void {
    this.bodyHeld = true;
  }

  readBody(bytesMax?: number): Promise<Buffer> {
    if (this.heldBody !== undefined) return this.heldBody.read(bytesMax);
    return Promise.reject(new GatewayError('PLUGIN_FAILED', 'there is no body to read any more'));
  }

  setBody(body: Buffer): void {
    // too late, as when the client has gone meanwhile: there is nobody to send it to
    this.heldBody?.set(body);
  }

  observe(observer: AnswerObserver): void {
    (this.observers ??= []).push(observer);
  }
}
