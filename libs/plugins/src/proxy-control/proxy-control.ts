import { definePlugin } from '@polygate/plugin-sdk';
import { definition, type ProxyControlConf } from './proxy-control.schema.ts';

/** nginx goes on in a file; here a larger body is streamed. */
const BUFFERED_BYTES_MAX = 1_048_576;

/**
 * Bodies are streamed to the upstream as they come, which is what `request_buffering: false` asks for.
 * Otherwise those whose size is known and small are read whole first: a slow client holds no
 * connection of the upstream.
 */
export default definePlugin<ProxyControlConf>(definition, {
  runsIn: (_phase, conf) => conf.request_buffering,

  rewrite({ request }) {
    if (!request.hasBody) return undefined;
    const bytes = Number(request.headers.getKnown('content-length') ?? Infinity);
    if (bytes > BUFFERED_BYTES_MAX) return undefined;
    return request.readBody().then(() => undefined);
  },
});
