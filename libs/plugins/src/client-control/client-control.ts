import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply } from '@polygate/plugin-sdk';
import { definition, type ClientControlConf } from './client-control.schema.ts';

interface Prepared {
  /** Infinity: no limit. */
  readonly bytesMax: number;
}

const TOO_LARGE: LocalReply = { status: 413 };

/**
 * Refuses bodies over a size. It can only lower the limit that the gateway has for all requests
 * (`nginx_config.http.client_max_body_size`).
 */
export default definePlugin<ClientControlConf, Prepared>(definition, {
  prepare: ({ max_body_size: bytesMax = 0 }) => ({
    bytesMax: bytesMax === 0 ? Infinity : bytesMax,
  }),

  runsIn: (_phase, { bytesMax }) => bytesMax !== Infinity,

  rewrite({ request }, { bytesMax }) {
    if (!request.hasBody) return undefined;
    const length = request.headers.getKnown('content-length');
    if (length !== undefined) return Number(length) > bytesMax ? TOO_LARGE : undefined;
    // in chunks: its size shows only when all of it is there
    return request.readBody(bytesMax).then(() => undefined);
  },
});
