import { definePlugin, JWT_PAYLOAD } from '@polygate/plugin-sdk';
import type { ConsumerMatch, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { attachAnonymousConsumer, noteReason } from '../auth-refusal.ts';
import { claimOf, parseJsonWebToken } from '../json-web-token.ts';
import { consumerVerifier } from './consumer-verifier.ts';
import { definition, type JwtAuthConf } from './jwt-auth.schema.ts';
import { takeToken } from './request-token.ts';
import { claimsProblem } from './token-claims.ts';

/** Finds the consumer by a claim of the token and verifies the token with that consumer's key. */
export default definePlugin(definition, {
  rewrite(ctx, conf) {
    const found = findConsumer(ctx, conf);
    if (typeof found !== 'string') {
      ctx.attachConsumer(found);
      return undefined;
    }
    if (conf.anonymous_consumer === undefined) return refusal(conf, found);
    return attachAnonymousConsumer(ctx, definition.name, conf.anonymous_consumer)
      ? undefined
      : refusal(conf, 'Invalid user authorization');
  },
});

/** The consumer, or what the client is told. */
function findConsumer(ctx: RequestContext, conf: JwtAuthConf): ConsumerMatch | string {
  const encoded = takeToken(ctx.request, conf);
  if (encoded === undefined) return 'Missing JWT token in request';
  const token = encoded === null ? 'invalid jwt string' : parseJsonWebToken(encoded);
  if (typeof token === 'string') {
    noteReason(ctx, `JWT token invalid: ${token}`);
    return 'JWT token invalid';
  }
  const key = claimOf(token.payload, conf.key_claim_name);
  if (key === undefined || key === false) return 'missing user key in JWT token';
  const consumer = typeof key === 'string' ? ctx.findConsumer(definition.name, key) : undefined;
  if (consumer === undefined) {
    ctx.log.warn('failed to find consumer: invalid user key');
    return 'Invalid user key in JWT token';
  }

  const { algorithm, verify, graceSeconds } = consumerVerifier(consumer);
  if (token.header['alg'] !== algorithm) {
    return notVerified(ctx, `algorithm mismatch, expected ${algorithm}`);
  }
  if (verify === undefined) return notVerified(ctx, `the key of ${consumer.username} is unusable`);
  if (!verify(token)) return notVerified(ctx, `signature mismatch: ${token.signature}`);
  const problem = claimsProblem(token.payload, {
    required: conf.claims_to_verify,
    graceSeconds,
    nowSeconds: Math.floor(Date.now() / 1000),
  });
  if (problem !== undefined) return notVerified(ctx, problem);
  if (conf.store_in_ctx) ctx.set(JWT_PAYLOAD, token.payload);
  return consumer;
}

function notVerified(ctx: RequestContext, reason: string): string {
  noteReason(ctx, `failed to verify jwt: ${reason}`);
  return 'failed to verify jwt';
}

function refusal(conf: JwtAuthConf, message: string): LocalReply {
  return {
    status: 401,
    headers: { 'WWW-Authenticate': `Bearer realm="${conf.realm}"` },
    body: { message },
  };
}
