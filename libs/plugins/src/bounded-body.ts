import { GatewayError } from '@polygate/plugin-sdk';
import type { ClientRequest } from '@polygate/plugin-sdk';

const EMPTY = Buffer.alloc(0);

/** The whole body, empty without one, or why it is not read, in the words of apisix/core/request.lua. */
export async function readBoundedBody(
  request: ClientRequest,
  bytesMax: number,
): Promise<Buffer | string> {
  const length = request.headers.getKnown('content-length');
  if (length !== undefined && Number(length) > bytesMax) return tooLarge(length, bytesMax);
  try {
    const body = (await request.readBody(bytesMax)) ?? EMPTY;
    // another plugin may have read more than this one allows
    return body.length > bytesMax ? tooLarge(String(body.length), bytesMax) : body;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'REQUEST_BODY_TOO_LARGE') throw error;
    return tooLarge(`of over ${bytesMax}`, bytesMax);
  }
}

function tooLarge(size: string, bytesMax: number): string {
  return `request size ${size} is greater than the maximum size ${bytesMax} allowed`;
}
