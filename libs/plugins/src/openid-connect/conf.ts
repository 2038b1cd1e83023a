/** What checks and phases read of a conf; snake_case as it is written. */
export interface OpenidConnectConf {
  readonly client_id: string;
  readonly client_secret?: string;
  readonly discovery: string;
  readonly scope: string;
  readonly ssl_verify: boolean;
  /** Seconds; from 1,000 on, in whole thousands, milliseconds. */
  readonly timeout: number;
  readonly introspection_endpoint?: string;
  readonly introspection_endpoint_auth_method: string;
  readonly token_endpoint_auth_method: string;
  readonly bearer_only: boolean;
  readonly session?: SessionConf;
  readonly realm: string;
  readonly claim_validator?: {
    readonly issuer?: { readonly valid_issuers?: readonly string[] };
    readonly audience?: {
      readonly claim: string;
      readonly required: boolean;
      readonly match_with_client_id: boolean;
    };
  };
  readonly logout_path: string;
  readonly redirect_uri?: string;
  readonly post_logout_redirect_uri?: string;
  readonly unauth_action: 'auth' | 'deny' | 'pass';
  readonly public_key?: string;
  readonly use_jwks: boolean;
  readonly token_signing_alg_values_expected?: string;
  readonly use_pkce: boolean;
  readonly par?: {
    readonly enabled: boolean;
    readonly endpoint?: string;
    readonly endpoint_auth_method?: string;
  };
  readonly dpop?: DpopConf;
  readonly set_access_token_header: boolean;
  readonly access_token_in_authorization_header: boolean;
  readonly set_id_token_header: boolean;
  readonly set_raw_id_token_header: boolean;
  readonly set_userinfo_header: boolean;
  readonly set_refresh_token_header: boolean;
  readonly proxy_opts?: ProxyConf;
  readonly authorization_params?: Readonly<Record<string, unknown>>;
  readonly client_rsa_private_key?: string;
  readonly client_rsa_private_key_id?: string;
  readonly client_jwt_assertion_expires_in: number;
  readonly client_jwt_assertion_alg?: string;
  readonly client_jwt_assertion_audience?: string;
  readonly renew_access_token_on_expiry: boolean;
  readonly access_token_expires_in?: number;
  readonly refresh_session_interval?: number;
  readonly iat_slack: number;
  readonly accept_none_alg: boolean;
  readonly accept_unsupported_alg: boolean;
  readonly access_token_expires_leeway: number;
  readonly force_reauthorize: boolean;
  readonly use_nonce: boolean;
  readonly revoke_tokens_on_logout: boolean;
  readonly jwk_expires_in: number;
  readonly introspection_interval: number;
  readonly introspection_expiry_claim?: string;
  readonly introspection_addon_headers?: readonly string[];
  readonly required_scopes?: readonly string[];
  readonly claim_schema?: Readonly<Record<string, unknown>>;
  /** Not of the schema, but read: which of a login is kept; without it everything. */
  readonly session_contents?: Readonly<Record<string, unknown>>;
}

/** Times in seconds. */
export interface SessionConf {
  readonly secret: string;
  readonly cookie_name?: string;
  readonly cookie_path?: string;
  readonly cookie_domain?: string;
  readonly cookie_secure?: boolean;
  readonly cookie_http_only?: boolean;
  readonly cookie_same_site?: 'Strict' | 'Lax' | 'None' | 'Default';
  readonly idling_timeout?: number;
  readonly rolling_timeout?: number;
  readonly absolute_timeout?: number;
  readonly cookie?: { readonly lifetime?: number };
  readonly storage: 'cookie' | 'redis';
  readonly redis?: SessionRedisConf;
}

/** Timeouts in milliseconds. */
export interface SessionRedisConf {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  readonly prefix: string;
  readonly ssl: boolean;
  readonly ssl_verify: boolean;
  readonly server_name?: string;
  readonly connect_timeout: number;
  readonly send_timeout: number;
  readonly read_timeout: number;
  readonly keepalive_timeout: number;
}

export interface DpopConf {
  readonly enabled: boolean;
  readonly signing_alg: string;
  readonly private_key?: string;
  readonly public_jwk?: Readonly<Record<string, unknown>>;
}

export interface ProxyConf {
  readonly http_proxy?: string;
  readonly https_proxy?: string;
  readonly http_proxy_authorization?: string;
  readonly https_proxy_authorization?: string;
  readonly no_proxy?: string;
}
