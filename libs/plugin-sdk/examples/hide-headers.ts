// headerFilter: status and headers, before they are sent. Synchronous: bytes are waiting.
import { definePlugin } from '@polygate/plugin-sdk';

interface Conf {
  readonly headers: readonly string[];
}

export default definePlugin<Conf>(
  {
    name: 'hide-headers',
    version: 1,
    priority: 800,
    schema: {
      type: 'object',
      properties: {
        headers: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 50 },
      },
      required: ['headers'],
    },
  },
  {
    headerFilter(ctx, { headers }) {
      // answers of the gateway's own come through here too
      if (ctx.response.source !== 'upstream') return;
      for (const name of headers) ctx.response.headers.delete(name);
    },
  },
);
