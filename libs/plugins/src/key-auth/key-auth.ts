import { definePlugin } from '@polygate/plugin-sdk';
import type { ConsumerMatch, LocalReply, RequestContext } from '@polygate/plugin-sdk';
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
    return attachAnonymous(ctx, conf, conf.anonymous_consumer);
  },
});

interface FoundConsumer {
  readonly consumer: ConsumerMatch;
  readonly fromHeader: boolean;
}

/** The consumer, or why there is none. */
function findConsumer(ctx: RequestContext, conf: KeyAuthConf): FoundConsumer | string {
  const inHeader = ctx.request.headers.get(conf.header);
  const key = inHeader ?? keyInQuery(ctx, conf.query);
  if (key === undefined) return 'Missing API key in request';
  const consumer = key === null ? undefined : ctx.findConsumer(definition.name, key);
  if (consumer === undefined) {
    ctx.log.warn('failed to find consumer: invalid api key');
    return 'Invalid API key in request';
  }
  return { consumer, fromHeader: inHeader !== undefined };
}

/** Null when it is there but is no key: without a value, or more than once. */
function keyInQuery(ctx: RequestContext, name: string): string | null | undefined {
  if (ctx.request.query === '') return undefined;
  const args = ctx.request.getArguments().filter((argument) => argument.name === name);
  if (args.length === 0) return undefined;
  return args.length === 1 ? (args[0]?.value ?? null) : null;
}

function attachAnonymous(
  ctx: RequestContext,
  conf: KeyAuthConf,
  username: string,
): LocalReply | undefined {
  const consumer = ctx.findConsumerByName(username);
  if (consumer === undefined) {
    const reason = `failed to get anonymous consumer ${username}`;
    ctx.log.error(`key-auth failed to authenticate the request, code: 401. error: ${reason}`);
    return refusal(conf, 'Invalid user authorization');
  }
  ctx.attachConsumer(consumer);
  return undefined;
}

function hideCredential(ctx: RequestContext, conf: KeyAuthConf, inHeader: boolean): void {
  if (inHeader) {
    ctx.request.headers.delete(conf.header);
    return;
  }
  if (ctx.request.query === '') return;
  const args = ctx.request.getArguments();
  const kept = args.filter((argument) => argument.name !== conf.query);
  if (kept.length !== args.length) ctx.request.setArguments(kept);
}

function refusal(conf: KeyAuthConf, message: string): LocalReply {
  return {
    status: 401,
    headers: { 'WWW-Authenticate': `apikey realm="${conf.realm}"` },
    body: { message },
  };
}
