// delayedBodyFilter: after every bodyFilter; sees what the client really gets.
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { contextKey, definePlugin } from '@polygate/plugin-sdk';

/** A typed place in the context; made once, as keys compare by identity. */
const HASH = contextKey<Hash>('body-digest');

export default definePlugin<object>(
  { name: 'body-digest', version: 1, priority: 600, schema: { type: 'object' } },
  {
    headerFilter: (ctx) => ctx.set(HASH, createHash('sha256')),

    delayedBodyFilter(ctx, _conf, chunk) {
      // returns nothing: the chunk goes on as it is
      ctx.get(HASH)?.update(chunk);
    },

    log(ctx) {
      ctx.log.info(`sha256 of the body: ${ctx.get(HASH)?.digest('hex') ?? 'there was none'}`);
    },
  },
);
