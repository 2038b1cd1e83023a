import type { PluginDefinition } from '@polygate/plugin-sdk';
import { checkConf, restateConf } from './check-conf.ts';
import type { OpenidConnectConf } from './conf.ts';
import { SESSION_SCHEMA } from './session/session.schema.ts';

const TEXT = { type: 'string' } as const;
const COUNT = { type: 'integer' } as const;
const no = (description: string) => ({ type: 'boolean', default: false, description });
const yes = (description: string) => ({ type: 'boolean', default: true, description });

/** Members of a private key: what is called public must have none of them. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const CLIENT_AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'client_secret_jwt',
];

const CLAIM_VALIDATOR = {
  type: 'object',
  properties: {
    issuer: {
      description: 'The issuers that are trusted; by default the one of the discovery document.',
      type: 'object',
      properties: { valid_issuers: { type: 'array', items: TEXT } },
    },
    audience: {
      type: 'object',
      description: 'audience claim value to validate',
      properties: {
        claim: { type: 'string', description: 'custom claim name', default: 'aud' },
        required: no('audience claim is required'),
        match_with_client_id: no('audience must equal or include client_id'),
      },
    },
  },
} as const;

const PAR = {
  description: 'Pushed Authorization Requests (PAR) configuration.',
  type: 'object',
  properties: {
    enabled: no('When true, use Pushed Authorization Requests (PAR).'),
    endpoint: TEXT,
    endpoint_auth_method: { type: 'string', enum: CLIENT_AUTH_METHODS },
  },
  additionalProperties: false,
} as const;

const DPOP = {
  description: 'Demonstrating Proof-of-Possession (DPoP) configuration.',
  type: 'object',
  properties: {
    enabled: no('When true, use DPoP proof JWTs.'),
    signing_alg: { type: 'string', enum: ['ES256', 'RS256', 'PS256'], default: 'ES256' },
    private_key: TEXT,
    public_jwk: {
      type: 'object',
      not: { anyOf: PRIVATE_MEMBERS.map((member) => ({ required: [member] })) },
    },
  },
  if: { properties: { enabled: { const: true } } },
  then: { required: ['private_key', 'public_jwk'] },
  additionalProperties: false,
} as const;

const PROXY_OPTS = {
  description: 'HTTP proxy server be used to access identity server.',
  type: 'object',
  properties: {
    http_proxy: TEXT,
    https_proxy: TEXT,
    http_proxy_authorization: TEXT,
    https_proxy_authorization: TEXT,
    no_proxy: TEXT,
  },
} as const;

/** Source: apisix/plugins/openid-connect.lua. */
export const definition: PluginDefinition<OpenidConnectConf> = {
  name: 'openid-connect',
  version: 0.2,
  priority: 2599,
  httpsFields: [
    'discovery',
    'introspection_endpoint',
    'redirect_uri',
    'post_logout_redirect_uri',
    'par.endpoint',
    'proxy_opts.http_proxy',
    'proxy_opts.https_proxy',
  ],
  tlsFields: ['ssl_verify'],
  schema: {
    type: 'object',
    properties: {
      client_id: TEXT,
      client_secret: TEXT,
      discovery: TEXT,
      scope: { type: 'string', default: 'openid' },
      ssl_verify: { type: 'boolean', default: true },
      timeout: { type: 'integer', minimum: 1, default: 3, description: 'timeout in seconds' },
      introspection_endpoint: TEXT,
      introspection_endpoint_auth_method: { type: 'string', default: 'client_secret_basic' },
      token_endpoint_auth_method: { type: 'string', default: 'client_secret_basic' },
      bearer_only: { type: 'boolean', default: false },
      session: SESSION_SCHEMA,
      realm: { type: 'string', default: 'apisix' },
      claim_validator: CLAIM_VALIDATOR,
      logout_path: { type: 'string', default: '/logout' },
      redirect_uri: TEXT,
      post_logout_redirect_uri: TEXT,
      unauth_action: { type: 'string', default: 'auth', enum: ['auth', 'deny', 'pass'] },
      public_key: TEXT,
      use_jwks: no('Verify bearer tokens with the keys that the discovery document names.'),
      token_signing_alg_values_expected: TEXT,
      use_pkce: no('Use PKCE (RFC 7636).'),
      par: PAR,
      dpop: DPOP,
      set_access_token_header: yes('Give the upstream the access token.'),
      access_token_in_authorization_header: no('In Authorization, not in X-Access-Token.'),
      set_id_token_header: yes('Give the upstream the claims of the ID token in X-ID-Token.'),
      set_raw_id_token_header: no('Give the upstream the ID token in X-Raw-ID-Token.'),
      set_userinfo_header: yes('Give the upstream the user info in X-Userinfo.'),
      set_refresh_token_header: no('Give the upstream the refresh token in X-Refresh-Token.'),
      proxy_opts: PROXY_OPTS,
      authorization_params: { type: 'object' },
      client_rsa_private_key: TEXT,
      client_rsa_private_key_id: TEXT,
      client_jwt_assertion_expires_in: { type: 'integer', default: 60 },
      client_jwt_assertion_alg: {
        type: 'string',
        enum: ['HS256', 'HS512', 'RS256', 'RS512', 'ES256', 'ES512'],
      },
      client_jwt_assertion_audience: TEXT,
      renew_access_token_on_expiry: yes('Renew the access token without the user.'),
      access_token_expires_in: COUNT,
      refresh_session_interval: COUNT,
      iat_slack: { type: 'integer', default: 120 },
      accept_none_alg: no('Accept an ID token that is not signed.'),
      accept_unsupported_alg: yes('Accept an ID token signed by an unknown algorithm.'),
      access_token_expires_leeway: { type: 'integer', default: 0 },
      force_reauthorize: no('Authorize also when a token is known.'),
      use_nonce: no('Send a nonce with the authorization request.'),
      revoke_tokens_on_logout: no('Revoke the tokens at the provider on logout.'),
      jwk_expires_in: { type: 'integer', default: 86_400 },
      jwt_verification_cache_ignore: no('Verify each time.'),
      cache_segment: TEXT,
      introspection_interval: { type: 'integer', default: 0 },
      introspection_expiry_claim: TEXT,
      introspection_addon_headers: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', pattern: '^[^:]+$' },
      },
      required_scopes: { type: 'array', items: TEXT },
      claim_schema: { type: 'object' },
    },
    encrypt_fields: [
      'client_secret',
      'client_rsa_private_key',
      'dpop.private_key',
      'session.secret',
      'session.redis.password',
    ],
    required: ['client_id', 'discovery'],
  },
  restate: restateConf,
  check: checkConf,
};
