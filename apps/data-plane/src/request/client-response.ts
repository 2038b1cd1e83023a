import { HeaderList } from '@polygate/plugin-sdk';
import type { ClientResponse } from '@polygate/plugin-sdk';

/** The SDK's view of a response, filled in by whoever answers. */
export class GatewayResponse implements ClientResponse {
  status = 0;
  source: 'upstream' | 'gateway' = 'gateway';
  bodyHeld = false;
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
}
