import { definePlugin } from '@polygate/plugin-sdk';
import type { ConsumerMatch, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { attachAnonymousConsumer, noteReason } from '../auth-refusal.ts';
import { decodeBase64 } from '../base64.ts';
import { equalInConstantTime } from '../constant-time.ts';
import { definition, type BasicAuthConf } from './basic-auth.schema.ts';

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
  const credentials = parseCredentials(authorization);
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

interface Credentials {
  readonly username: string;
  readonly password: Buffer;
}

const SCHEME = /basic\s(.+)/i;
const WHITE_SPACE = /[\t-\r ]+/g;

/**
 * The credentials, or what is wrong with them. White space within them is dropped, as APISIX does. A
 * password ends with the header, as RFC 7617 has it: APISIX cuts it off at its first colon.
 */
function parseCredentials(authorization: string): Credentials | string {
  const encoded = SCHEME.exec(authorization)?.[1];
  if (encoded === undefined) return 'Invalid authorization header format';
  const decoded = decodeBase64(encoded);
  if (decoded === undefined) return `Failed to decode authentication header: ${encoded}`;
  const colon = decoded.indexOf(0x3a);
  // what is decoded may be a password: not into the log
  if (colon === -1) return 'Split authorization err: invalid decoded data';
  return {
    username: withoutWhiteSpace(decoded.subarray(0, colon)).toString(),
    password: withoutWhiteSpace(decoded.subarray(colon + 1)),
  };
}

/** Byte for byte: a text that is no UTF-8 must not become equal to another. */
function withoutWhiteSpace(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replace(WHITE_SPACE, ''), 'latin1');
}

function refusal(conf: BasicAuthConf, message: string): LocalReply {
  return {
    status: 401,
    headers: { 'WWW-Authenticate': `Basic realm="${conf.realm}"` },
    body: { message },
  };
}
