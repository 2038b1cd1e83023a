import { definePlugin } from '@polygate/plugin-sdk';
import type {
  ClientRequest,
  ConsumerMatch,
  LocalReply,
  RequestContext,
} from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { decrypt, parseEncryptedToken } from './encrypted-token.ts';
import {
  definition,
  SECRET_BYTES,
  secretBytes,
  type JweDecryptConf,
} from './jwe-decrypt.schema.ts';

/**
 * Puts what an encrypted token has in it in the token's place. The token names the consumer whose
 * secret it was encrypted with; the request does not become that consumer's, as in APISIX.
 */
export default definePlugin(definition, {
  rewrite(ctx, conf) {
    const text = tokenOf(ctx.request, conf);
    if (text === undefined) {
      return conf.strict ? refusal(403, 'missing JWE token in request') : undefined;
    }
    const content = decryptToken(ctx, text);
    if (typeof content === 'string') return refusal(400, content);
    // header values have a character a byte
    ctx.request.headers.set(conf.forward_header, headerValue(content.toString('latin1')));
    return undefined;
  },
});

function tokenOf({ headers }: ClientRequest, conf: JweDecryptConf): string | undefined {
  const value = headers.get(conf.header);
  const isBearer = value?.startsWith('Bearer ') === true || value?.startsWith('bearer ') === true;
  return isBearer ? value.slice('Bearer '.length) : value;
}

/** The content, or what the client is told. */
function decryptToken(ctx: RequestContext, text: string): Buffer | string {
  const token = parseEncryptedToken(text);
  if (token === undefined) return 'JWE token invalid';
  const kid = Object.hasOwn(token.header, 'kid') ? token.header['kid'] : undefined;
  if (kid === undefined || kid === false) return 'missing kid in JWE token';
  const consumer = typeof kid === 'string' ? ctx.findConsumer(definition.name, kid) : undefined;
  if (consumer === undefined) return 'invalid kid in JWE token';
  const secret = secretOf(consumer);
  const content = secret && decrypt(token, secret);
  return content ?? 'failed to decrypt JWE token';
}

/** Undefined where it is none for AES-256, as one that was fetched may be. */
function secretOf({ authConf }: ConsumerMatch): Buffer | undefined {
  const { secret, is_base64_encoded: isBase64 } = authConf;
  const bytes = typeof secret === 'string' ? secretBytes(secret, isBase64) : undefined;
  return bytes?.length === SECRET_BYTES ? bytes : undefined;
}

function refusal(status: number, message: string): LocalReply {
  return { status, body: { message } };
}
