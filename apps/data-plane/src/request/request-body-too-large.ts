import { GatewayError } from '@polygate/plugin-sdk';

/** Whichever protocol the body came by, the client hears the same. */
export function requestBodyTooLarge(bytesMax: number): GatewayError {
  return new GatewayError('REQUEST_BODY_TOO_LARGE', `request body is over ${bytesMax} bytes`);
}
