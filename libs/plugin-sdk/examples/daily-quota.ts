// Shared state: counts that all worker threads share and that outlive a change of the configuration.
import { definePlugin } from '@polygate/plugin-sdk';
import type { SharedState } from '@polygate/plugin-sdk';

const DAY_MS = 24 * 60 * 60 * 1000;

interface Conf {
  readonly count: number;
}

interface Prepared {
  readonly count: number;
  readonly keyPrefix: string;
  readonly shared: SharedState;
}

export default definePlugin<Conf, Prepared>(
  {
    name: 'daily-quota',
    version: 1,
    priority: 1001,
    schema: {
      type: 'object',
      properties: { count: { type: 'integer', minimum: 1 } },
      required: ['count'],
    },
  },
  {
    prepare: ({ count }, { shared, source }) => ({
      count,
      shared,
      // by plugin and by the object the conf stands in: two routes do not count together
      keyPrefix: `daily-quota ${source.kind}/${source.id} `,
    }),

    access(ctx, { count, keyPrefix, shared }) {
      const who = ctx.consumer?.username ?? ctx.client.address;
      const window = shared.incrementWindowBelow(keyPrefix + who, 1, DAY_MS, count);
      if (window.isAdmitted) {
        // `early`: on the answer, whoever gives it
        ctx.response.early.set('X-Quota-Remaining', String(count - window.count));
        return undefined;
      }
      const seconds = String(Math.ceil(window.resetMs / 1000));
      return { status: 429, headers: { 'Retry-After': seconds }, body: { message: 'come back' } };
    },
  },
);
