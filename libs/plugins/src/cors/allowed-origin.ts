import { contextKey } from '@polygate/plugin-sdk';

/** The origin that cors let in, for plugins with CORS headers of their own. */
export const ALLOWED_ORIGIN = contextKey<string>('cors allowed origin');
