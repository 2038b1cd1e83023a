import { createHmac, createSecretKey, hash, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { definePlugin } from '@polygate/plugin-sdk';
import type { ConsumerMatch, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { attachAnonymousConsumer, noteReason } from '../auth-refusal.ts';
import { decodeBase64 } from '../base64.ts';
import { readBoundedBody } from '../bounded-body.ts';
import { definition, HMAC_HASHES } from './hmac-auth.schema.ts';
import type { HmacAlgorithm, HmacAuthConf } from './hmac-auth.schema.ts';
import { parseHttpTime } from './http-time.ts';
import { parseSignatureFields, type SignatureFields } from './signature-fields.ts';

const REFUSED = "client request can't be validated";

/** Verifies a signature over method, path and headers by the secret of the consumer that it names. */
export default definePlugin(definition, {
  rewrite(ctx, conf) {
    const found = findConsumer(ctx, conf);
    if (typeof found === 'string') return finish(ctx, conf, found);
    if (!conf.validate_request_body) return finish(ctx, conf, found);
    return checkBody(ctx, conf, found);
  },
});

/** The consumer, or what the client is told. */
function findConsumer(ctx: RequestContext, conf: HmacAuthConf): ConsumerMatch | string {
  const fields = parseSignatureFields(ctx.request.headers.getKnown('authorization'));
  if (typeof fields === 'string') {
    const reason = `${REFUSED}: ${fields}`;
    noteReason(ctx, reason);
    return reason;
  }
  const consumer = validate(ctx, conf, fields);
  if (typeof consumer !== 'string') return consumer;
  noteReason(ctx, `${REFUSED}: ${consumer}`);
  return REFUSED;
}

/** The consumer, or what the log is told. */
function validate(
  ctx: RequestContext,
  conf: HmacAuthConf,
  { keyId, algorithm, signature, headers = [] }: SignatureFields,
): ConsumerMatch | string {
  if (keyId === undefined || signature === undefined) return 'keyId or signature missing';
  if (algorithm === undefined) return 'algorithm missing';
  // header values have a character a byte
  const consumer = ctx.findConsumer(definition.name, Buffer.from(keyId, 'latin1').toString());
  if (consumer === undefined) return 'Invalid key_id';
  if (!isAllowed(conf, algorithm)) return 'Invalid algorithm';
  const timeProblem = clockProblem(ctx, conf.clock_skew);
  if (timeProblem !== undefined) return timeProblem;
  const unsigned = conf.signed_headers.find((header) => !headers.includes(header));
  if (unsigned !== undefined) return `expected header "${unsigned}" missing in signing`;

  const given = decodeBase64(signature);
  const expected = createHmac(HMAC_HASHES[algorithm], consumerKey(consumer))
    .update(signingText(ctx, keyId, headers), 'latin1')
    .digest();
  const isValid =
    given !== undefined && given.length === expected.length && timingSafeEqual(given, expected);
  return isValid ? consumer : 'Invalid signature';
}

function isAllowed(conf: HmacAuthConf, algorithm: string): algorithm is HmacAlgorithm {
  return (conf.allowed_algorithms as readonly string[]).includes(algorithm);
}

function clockProblem(ctx: RequestContext, skewSeconds: number): string | undefined {
  const date = ctx.request.headers.getKnown('date');
  if (date === undefined) return 'Date header missing. failed to validate clock skew';
  const seconds = parseHttpTime(date);
  if (seconds === undefined) return 'Invalid GMT format time';
  const skew = Math.abs(Math.floor(Date.now() / 1000) - seconds);
  return skew > skewSeconds ? 'Clock skew exceeded' : undefined;
}

/** Key id, then a line for each name that is there, each with its end. A missing header has no line. */
function signingText(ctx: RequestContext, keyId: string, headers: readonly string[]): string {
  const { request } = ctx;
  let text = `${keyId}\n`;
  for (const name of headers) {
    const value = request.headers.get(name);
    if (value !== undefined) text += `${name}: ${value}\n`;
    else if (name === '@request-target') {
      const target = Buffer.from(ctx.vars.get('request_uri') ?? '/').toString('latin1');
      text += `${request.method} ${target}\n`;
    }
  }
  return text;
}

const keys = new WeakMap<object, KeyObject>();

function consumerKey({ authConf }: ConsumerMatch): KeyObject {
  const known = keys.get(authConf);
  if (known !== undefined) return known;
  const key = createSecretKey(String(authConf['secret_key']), 'utf8');
  keys.set(authConf, key);
  return key;
}

/** After everything else: only who knows the secret may have a body read into memory. */
async function checkBody(
  ctx: RequestContext,
  conf: HmacAuthConf,
  consumer: ConsumerMatch,
): Promise<LocalReply | undefined> {
  const digest = ctx.request.headers.getKnown('digest');
  if (digest !== undefined) {
    const body = await readBoundedBody(ctx.request, conf.max_req_body_size);
    if (typeof body === 'string') {
      ctx.log.error(`failed to read request body: ${body}`);
      return { status: 413, body: { message: body } };
    }
    if (digest === `SHA-256=${hash('sha256', body, 'base64')}`) return finish(ctx, conf, consumer);
  }
  noteReason(ctx, `${REFUSED}: Invalid digest`);
  return finish(ctx, conf, REFUSED);
}

function finish(
  ctx: RequestContext,
  conf: HmacAuthConf,
  found: ConsumerMatch | string,
): LocalReply | undefined {
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
}

function refusal(conf: HmacAuthConf, message: string): LocalReply {
  return {
    status: 401,
    headers: { 'WWW-Authenticate': `hmac realm="${conf.realm}"` },
    body: { message },
  };
}
