// Consumers: who it is says the conf of a consumer (or of one of its credentials).
import { definePlugin } from '@polygate/plugin-sdk';

interface Conf {
  readonly header: string;
}

export default definePlugin<Conf>(
  {
    name: 'token-auth',
    version: 1,
    priority: 2450,
    type: 'auth',
    schema: {
      type: 'object',
      properties: { header: { type: 'string', default: 'X-Token', minLength: 1 } },
    },
    // what stands in a consumer: {"username": "jack", "plugins": {"token-auth": {"token": "…"}}}
    consumerSchema: {
      type: 'object',
      properties: { token: { type: 'string', minLength: 8 } },
      required: ['token'],
      encrypt_fields: ['token'],
    },
    // the gateway keeps an index by it, and the Admin API refuses a second consumer with the same
    consumerKey: 'token',
  },
  {
    rewrite(ctx, { header }) {
      const token = ctx.request.headers.get(header);
      const consumer = token === undefined ? undefined : ctx.findConsumer('token-auth', token);
      if (consumer === undefined) return { status: 401, body: { message: 'who are you?' } };
      ctx.request.headers.delete(header);
      // its plugins join the chain; the upstream gets X-Consumer-Username
      ctx.attachConsumer(consumer);
      return undefined;
    },
  },
);
