import type { ClientResponse } from '@polygate/plugin-sdk';

/**
 * To be called in headerFilter by whatever changes the body: its length, its encoding and what
 * caches know it by no longer hold. Source: clear_header_as_body_modified of core/response.lua.
 */
export function clearHeadersOfModifiedBody(response: ClientResponse): void {
  response.clearContentLength();
  response.headers.delete('Content-Encoding');
  response.headers.delete('Last-Modified');
  response.headers.delete('ETag');
}
