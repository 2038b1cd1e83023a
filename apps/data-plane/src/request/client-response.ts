import { HeaderList } from '@polygate/plugin-sdk';
import type { ClientResponse } from '@polygate/plugin-sdk';

/** The SDK's view of a response, filled in by whoever answers. */
export class GatewayResponse implements ClientResponse {
  status = 0;
  headers: HeaderList = new HeaderList();
  source: 'upstream' | 'gateway' = 'gateway';
  readonly early: HeaderList = new HeaderList();
  bodyHeld = false;

  clearContentLength(): void {
    this.headers.delete('Content-Length');
  }

  holdBody(): void {
    this.bodyHeld = true;
  }
}
