import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration } from 'oidc-provider';

/** An OpenID provider for tests (`oidc-provider`), where everybody is logged in as `jack` at once. */
export interface TestProvider {
  readonly issuer: string;
  /** Paths that were asked for, in order. */
  readonly seen: readonly string[];
  /** An access token that is a JWT of the provider's key. */
  signToken(claims: object, header?: object): string;
  /** Has the provider give an access token to the client itself. */
  clientToken(scope?: string): Promise<string>;
  /** Goes through the provider's pages as a browser would, back to where it sends the browser. */
  follow(location: string): Promise<URL>;
  close(): Promise<void>;
}

export const CLIENT = { id: 'my client', secret: 'a+secret/with:odd%characters' };
export const REDIRECT = 'http://gateway.test/back';

export async function startOpenidProvider(): Promise<TestProvider> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const seen: string[] = [];
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const server = createServer((request, response) => {
    seen.push((request.url ?? '').split('?')[0] ?? '');
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' };
  const provider = new Provider(issuer, configuration(jwk));
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

function configuration(jwk: object): Configuration {
  return {
    jwks: { keys: [jwk] },
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        redirect_uris: [REDIRECT],
        post_logout_redirect_uris: ['http://gateway.test/bye'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
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
