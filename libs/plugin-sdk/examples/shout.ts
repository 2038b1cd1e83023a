// bodyFilter: each chunk on its way to the client, and a last call with `last` set.
import { definePlugin } from '@polygate/plugin-sdk';

interface Conf {
  readonly ending: string;
}

export default definePlugin<Conf>(
  {
    name: 'shout',
    version: 1,
    priority: 700,
    schema: {
      type: 'object',
      properties: { ending: { type: 'string', maxLength: 100, default: '!' } },
    },
  },
  {
    headerFilter(ctx) {
      // the body gets longer: without this the client would be told the old length
      ctx.response.clearContentLength();
    },

    bodyFilter(_ctx, { ending }, chunk, last) {
      // latin1 keeps every byte: a chunk may end in the middle of a character
      const text = chunk.toString('latin1').replace(/[a-z]+/g, (word) => word.toUpperCase());
      return Buffer.from(last ? text + ending : text, 'latin1');
    },
  },
);
