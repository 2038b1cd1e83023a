// beforeProxy: runs for each node that is tried, with what the upstream will really get.
import { createHmac } from 'node:crypto';
import { definePlugin } from '@polygate/plugin-sdk';

interface Conf {
  readonly key: string;
}

export default definePlugin<Conf>(
  {
    name: 'sign-attempt',
    version: 1,
    priority: 100,
    schema: {
      type: 'object',
      properties: { key: { type: 'string', minLength: 16 } },
      required: ['key'],
      // encrypted in the store; `$env://NAME` and `$secret://…` are resolved before it comes here
      encrypt_fields: ['key'],
    },
  },
  {
    beforeProxy(ctx, { key }) {
      const { request } = ctx;
      const path = request.upstreamPath ?? request.path;
      const attempt = String(ctx.attempts.length + 1);
      const signed = [request.method, path, request.query, attempt].join('\n');
      const signature = createHmac('sha256', key).update(signed).digest('hex');
      // `set`, not `append`: a second attempt has the headers of the first
      request.headers.set('X-Attempt', attempt);
      request.headers.set('X-Signature', signature);
    },
  },
);
