import { definePlugin } from '@polygate/plugin-sdk';
import type { ConsumerMatch, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { attachAnonymousConsumer, noteReason } from '../auth-refusal.ts';
import { removeArgument, singleArgument } from '../query-argument.ts';
import { definition, type KeyAuthConf } from './key-auth.schema.ts';

/** Finds the consumer by the key in a header or, without that, in the query. */
export default definePlugin(definition, {
  rewrite(ctx, conf) {
    const found = findConsumer(ctx, conf);
    if (typeof found !== 'string') {
      if (conf.hide_credentials) hideCredential(ctx, conf, found.fromHeader);
      ctx.attachConsumer(found.consumer);
      return undefined;
    }
    if (conf.anonymous_consumer === undefined) return refusal(conf, found);
    if (conf.hide_credentials) {
      // a wrong key must not reach the upstream either, wherever it stood
      hideCredential(ctx, conf, true);
      hideCredential(ctx, conf, false);
    }
    return attachAnonymousConsumer(ctx, definition.name, conf.anonymous_consumer)
      ? undefined
      : refusal(conf, 'Invalid user authorization');
  },
});

interface FoundConsumer {
  readonly consumer: ConsumerMatch;
  readonly fromHeader: boolean;
}

/** The consumer, or why there is none. */
function findConsumer(ctx: RequestContext, conf: KeyAuthConf): FoundConsumer | string {
  const inHeader = ctx.request.headers.get(conf.header);
  const key = inHeader ?? singleArgument(ctx.request, conf.query);
  if (key === undefined) return 'Missing API key in request';
  const consumer = key === null ? undefined : ctx.findConsumer(definition.name, key);
  if (consumer === undefined) {
    noteReason(ctx, 'failed to find consumer: invalid api key');
    return 'Invalid API key in request';
  }
  return { consumer, fromHeader: inHeader !== undefined };
}

function hideCredential(ctx: RequestContext, conf: KeyAuthConf, inHeader: boolean): void {
  if (inHeader) ctx.request.headers.delete(conf.header);
  else removeArgument(ctx.request, conf.query);
}

function refusal(conf: KeyAuthConf, message: string): LocalReply {
  return {
    status: 401,
    headers: { 'WWW-Authenticate': `apikey realm="${conf.realm}"` },
    body: { message },
  };
}
