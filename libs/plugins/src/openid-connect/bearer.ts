import { hash } from 'node:crypto';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { claimOf } from '../json-web-token.ts';
import { clientForm } from './client-auth.ts';
import type { OpenidConnectConf } from './conf.ts';
import { OpenidError, type Json, type Provider } from './provider.ts';
import { verifyAccessToken } from './verify-token.ts';

export interface VerifiedBearer {
  readonly token: string;
  readonly claims: Json;
}

/** Undefined: the request has no token, and does not need one. */
export type BearerResult = VerifiedBearer | { readonly refusal: LocalReply } | undefined;

const CACHED_MAX = 1000;

/** Bearer tokens of one conf: verified here, by a public key, or by the provider's introspection. */
export class BearerTokens {
  readonly #conf: OpenidConnectConf;
  readonly #provider: Provider;
  /** Introspected ones, by digest. */
  readonly #introspected = new Map<string, { readonly claims: Json; readonly endMs: number }>();

  constructor(conf: OpenidConnectConf, provider: Provider) {
    this.#conf = conf;
    this.#provider = provider;
  }

  async check(ctx: RequestContext, given: string | undefined): Promise<BearerResult> {
    const token = bearerToken(ctx, given);
    if (token === null) {
      ctx.log.error('OIDC introspection failed: Invalid Authorization header format.');
      return { refusal: { status: 400 } };
    }
    if (token === undefined) {
      if (!this.#conf.bearer_only) return undefined;
      ctx.log.error('OIDC introspection failed: No bearer token found in request.');
      return { refusal: challenge(this.#conf) };
    }
    try {
      return { token, claims: await this.#verify(ctx, token) };
    } catch (error) {
      const reason = (error as Error).message;
      ctx.log.error(`OIDC introspection failed: ${reason}`);
      // what the connection to the provider says is none of the client's business
      const told = error instanceof OpenidError ? reason : 'token validation unavailable';
      return { refusal: challenge(this.#conf, told) };
    }
  }

  async #verify(ctx: RequestContext, token: string): Promise<Json> {
    const { public_key: pem, use_jwks: usesJwks } = this.#conf;
    if (pem === undefined && !usesJwks) return this.#introspect(ctx, token);
    const issuers = await this.#issuers(ctx);
    return verifyAccessToken(token, this.#conf, {
      issuers,
      find: ({ header }, algorithm) => this.#provider.verifiers(header['kid'], algorithm),
    });
  }

  /** Without a list of its own the provider's. No token passes while that is not known. */
  async #issuers(ctx: RequestContext): Promise<readonly unknown[]> {
    const own = this.#conf.claim_validator?.issuer?.valid_issuers;
    if (own !== undefined) return own;
    try {
      const { issuer } = await this.#provider.metadata();
      return issuer === undefined ? [] : [issuer];
    } catch (cause) {
      ctx.log.error(`OIDC access discovery url failed : ${(cause as Error).message}`);
      throw new OpenidError('issuer validation unavailable', { cause });
    }
  }

  /** RFC 7662. */
  async #introspect(ctx: RequestContext, token: string): Promise<Json> {
    const digest = hash('sha256', token, 'base64');
    const known = this.#introspected.get(digest);
    if (known !== undefined && known.endMs > Date.now()) return known.claims;
    this.#introspected.delete(digest);
    const conf = this.#conf;
    const name = 'introspection_endpoint';
    const url = conf[name] ?? (await this.#provider.endpoint(name));
    const endpoint = { url, method: conf.introspection_endpoint_auth_method };
    const form = clientForm(conf, endpoint, { token });
    for (const header of conf.introspection_addon_headers ?? []) {
      const value = ctx.request.headers.get(header);
      if (value !== undefined) form.headers.set(header, value);
    }
    const claims = await this.#provider.post(url, { ...form, isRepeatable: true }, ctx.signal);
    if (claims['active'] !== true) throw new OpenidError('invalid token');
    this.#remember(digest, claims);
    return claims;
  }

  #remember(digest: string, claims: Json): void {
    const { introspection_expiry_claim: claim = 'exp', introspection_interval: interval } =
      this.#conf;
    const value = claimOf(claims, claim);
    if (typeof value !== 'number') return;
    const leftMs = claim === 'exp' ? value * 1000 - Date.now() : value * 1000;
    const ttlMs = interval > 0 ? Math.min(leftMs, interval * 1000) : leftMs;
    if (ttlMs <= 0) return;
    if (this.#introspected.size >= CACHED_MAX) {
      const [oldest] = this.#introspected.keys();
      if (oldest !== undefined) this.#introspected.delete(oldest);
    }
    this.#introspected.set(digest, { claims, endMs: Date.now() + ttlMs });
  }
}

/** 401, as RFC 6750 has it. */
export function challenge({ realm }: OpenidConnectConf, description?: string): LocalReply {
  const detail =
    description === undefined
      ? ''
      : `, error="invalid_token", error_description="${description.replace(/["\\\r\n]/g, '?')}"`;
  return { status: 401, headers: { 'WWW-Authenticate': `Bearer realm="${realm}"${detail}` } };
}

/** Null for an Authorization header without a second word. `given`: the X-Access-Token header. */
function bearerToken(ctx: RequestContext, given: string | undefined): string | null | undefined {
  const authorization = ctx.request.headers.getKnown('authorization');
  if (authorization === undefined) return given;
  const space = authorization.indexOf(' ');
  if (space === -1) return null;
  return authorization.slice(0, space).toLowerCase() === 'bearer'
    ? authorization.slice(space + 1)
    : undefined;
}
