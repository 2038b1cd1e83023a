import { contextKey } from '@polygate/plugin-sdk';

/** The request's body as logs may have it, in the place of what was read of it. */
export const MASKED_BODY = contextKey<Buffer>('masked request body');
