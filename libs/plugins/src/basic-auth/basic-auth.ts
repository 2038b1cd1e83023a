import { definePlugin } from '@polygate/plugin-sdk';
import type { ConsumerMatch, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { attachAnonymousConsumer, noteReason } from '../auth-refusal.ts';
import { equalInConstantTime } from '../constant-time.ts';
import { definition, type BasicAuthConf } from './basic-auth.schema.ts';
import { parseBasicCredentials } from './basic-credentials.ts';

/** Finds the consumer by the user name of the Authorization header and compares the password. */
export default definePlugin(definition, {
  rewrite(ctx, conf) {
    const found = findConsumer(ctx);
    if (typeof found === 'string') {
      if (conf.anonymous_consumer === undefined) return refusal(conf, found);
      if (!attachAnonymousConsumer(ctx, definition.name, conf.anonymous_consumer)) {
        return refusal(conf, 'Invalid user authorization');
      }
    } else {
      ctx.attachConsumer(found);
    }
    if (conf.hide_credentials) ctx.request.headers.deleteKnown('authorization');
    return undefined;
  },
});

/** The consumer, or what the client is told. */
function findConsumer(ctx: RequestContext): ConsumerMatch | string {
  const authorization = ctx.request.headers.getKnown('authorization');
  if (authorization === undefined) return 'Missing authorization in request';
  const credentials = parseBasicCredentials(authorization);
  if (typeof credentials === 'string') {
    noteReason(ctx, credentials);
    return 'Invalid authorization in request';
  }
  const consumer = ctx.findConsumer(definition.name, credentials.username);
  if (consumer === undefined) {
    noteReason(ctx, 'failed to find user: invalid user');
    return 'Invalid user authorization';
  }
  const { password } = consumer.authConf;
  if (typeof password !== 'string' || !equalInConstantTime(password, credentials.password)) {
    return 'Invalid user authorization';
  }
  return consumer;
}

function refusal(conf: BasicAuthConf, message: string): LocalReply {
  return {
    status: 401,
    headers: { 'WWW-Authenticate': `Basic realm="${conf.realm}"` },
    body: { message },
  };
}
