import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration } from 'oidc-provider';

/** An OpenID provider for tests (`oidc-provider`), where everybody is logged in as `jack` at once. */
export interface TestProvider {
  readonly issuer: string;
  /** Paths that were asked for, in order. */
  readonly seen: readonly string[];
  /** The DPoP headers that came, in order. */
  readonly proofs: readonly { readonly path: string; readonly proof: string }[];
  /** PEM, of the key that it signs with. */
  readonly publicKey: string;
  /** From now on it takes proofs only with a nonce of its own. */
  requireNonces(isRequired: boolean): void;
  /** An access token that is a JWT of the provider's key. */
  signToken(claims: object, header?: object): string;
  /** Has the provider give an access token to the client itself. */
  clientToken(scope?: string): Promise<string>;
  /** Goes through the provider's pages as a browser would, back to where it sends the browser. */
  follow(location: string): Promise<URL>;
  close(): Promise<void>;
}

/** Gets its tokens with a proof of a key only (DPoP). */
export const BOUND_CLIENT = 'bound client';
/** Gets the user info as a JWT. */
export const SIGNED_CLIENT = 'signed client';
export const CLIENT = { id: 'my client', secret: 'a+secret/with:odd%characters' };
export const REDIRECT = 'http://gateway.test/back';

export async function startOpenidProvider(): Promise<TestProvider> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const seen: string[] = [];
  const proofs: { path: string; proof: string }[] = [];
  const settings = { requiresNonces: false };
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    seen.push(path);
    const proof = request.headers['dpop'];
    if (typeof proof === 'string') proofs.push({ path, proof });
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' };
  const provider = new Provider(issuer, configuration(jwk, settings));
  const callback = provider.callback();
  handle = (request, response) => {
    const isLogin = request.url?.startsWith('/interaction/') === true;
    if (isLogin) void finishInteraction(provider, request, response);
    else void callback(request, response);
  };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    issuer,
    seen,
    proofs,
    publicKey: String(publicKey.export({ type: 'spki', format: 'pem' })),
    requireNonces(isRequired) {
      settings.requiresNonces = isRequired;
    },
    signToken(claims, header = { alg: 'RS256', kid: 'one' }) {
      const input = `${encode(header)}.${encode(claims)}`;
      return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
    },
    clientToken: (scope) => clientToken(issuer, scope),
    follow: (location) => follow(issuer, location),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const client = (id: string, more: object = {}) => ({
  client_id: id,
  client_secret: CLIENT.secret,
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  redirect_uris: [REDIRECT],
  post_logout_redirect_uris: ['http://gateway.test/bye'],
  token_endpoint_auth_method: 'client_secret_basic' as const,
  ...more,
});

function configuration(jwk: object, settings: { requiresNonces: boolean }): Configuration {
  return {
    jwks: { keys: [jwk] },
    clients: [
      client(CLIENT.id),
      client(BOUND_CLIENT, { dpop_bound_access_tokens: true }),
      client(SIGNED_CLIENT, { userinfo_signed_response_alg: 'RS256' }),
    ],
    enabledJWA: { dPoPSigningAlgValues: ['ES256', 'RS256', 'PS256'] },
    scopes: ['openid', 'offline_access', 'api'],
    claims: { openid: ['sub', 'name'] },
    conformIdTokenClaims: false,
    pkce: { required: () => false },
    issueRefreshToken: () => Promise.resolve(true),
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: 'Jack' }),
    }),
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      jwtUserinfo: { enabled: true },
      dPoP: {
        enabled: true,
        nonceSecret: Buffer.alloc(32, 7),
        requireNonce: () => settings.requiresNonces,
      },
    },
    cookies: { keys: ['test'] },
  };
}

async function finishInteraction(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    await provider.interactionFinished(request, response, { login: { accountId: 'jack' } });
    return;
  }
  const grant = new provider.Grant({
    accountId: session?.accountId ?? 'jack',
    clientId: String(params['client_id']),
  });
  grant.addOIDCScope(String(params['scope']));
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { consent });
}

async function clientToken(issuer: string, scope = 'api'): Promise<string> {
  const credentials = `${encodeURIComponent(CLIENT.id)}:${encodeURIComponent(CLIENT.secret)}`;
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  });
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function follow(issuer: string, location: string): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = new URL(location, issuer);
  for (let i = 0; i < 10 && url.origin === issuer; i++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    const next = answer.headers.get('location');
    if (next === null) throw new Error(`${url.href}: ${answer.status} ${await answer.text()}`);
    url = new URL(next, url);
  }
  return url;
}
