import { ConfigError, realmSchema } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface LdapAuthAdvancedConf {
  /** `host` or `host:port`. */
  readonly ldap_uri: string;
  readonly use_ldaps: boolean;
  readonly use_starttls: boolean;
  readonly ssl_verify: boolean;
  /** Milliseconds. */
  readonly timeout: number;
  readonly keepalive: boolean;
  /** Milliseconds. */
  readonly keepalive_timeout: number;
  readonly keepalive_pool_size: number;
  /** Where users are looked for, with all that is below. */
  readonly base_dn: string;
  /** The attribute that has the user name. */
  readonly attribute: string;
  /** Who searches; undefined: nobody in particular. */
  readonly bind_dn?: string;
  readonly ldap_password?: string;
  readonly size_limit: number;
  /** Seconds; 0: the server's own limit. */
  readonly time_limit: number;
  readonly consumer_required: boolean;
  readonly header_type: 'ldap' | 'basic';
  readonly realm: string;
}

/** RFC 4512: a name or an OID, with options behind it. */
const ATTRIBUTE_PATTERN =
  '^(?:[A-Za-z][A-Za-z0-9-]*|(?:0|[1-9][0-9]*)(?:\\.(?:0|[1-9][0-9]*))+)(?:;[A-Za-z0-9-]+)*$';

const DN = { type: 'string', minLength: 1, maxLength: 4096 };

/** Source: apisix/plugins/ldap-auth-advanced.lua. */
export const definition: PluginDefinition<LdapAuthAdvancedConf> = {
  name: 'ldap-auth-advanced',
  version: 0.1,
  priority: 2541,
  type: 'auth',
  consumerKey: 'user_dn',
  schema: {
    type: 'object',
    title: 'work with route or service object',
    properties: {
      ldap_uri: { type: 'string', minLength: 1, maxLength: 256 },
      use_ldaps: { type: 'boolean', default: false },
      use_starttls: { type: 'boolean', default: false },
      ssl_verify: { type: 'boolean', default: true },
      timeout: { type: 'integer', minimum: 1, maximum: 60_000, default: 10_000 },
      keepalive: { type: 'boolean', default: true },
      keepalive_timeout: { type: 'integer', minimum: 1000, default: 60_000 },
      keepalive_pool_size: { type: 'integer', minimum: 1, default: 5 },
      keepalive_pool_name: { type: 'string', minLength: 1, maxLength: 256 },
      base_dn: DN,
      attribute: { type: 'string', maxLength: 256, default: 'cn', pattern: ATTRIBUTE_PATTERN },
      bind_dn: DN,
      ldap_password: DN,
      size_limit: { type: 'integer', minimum: 2, default: 2 },
      time_limit: { type: 'integer', minimum: 0, default: 5 },
      consumer_required: { type: 'boolean', default: true },
      header_type: { type: 'string', enum: ['ldap', 'basic'], default: 'ldap' },
      realm: realmSchema('ldap'),
    },
    encrypt_fields: ['ldap_password'],
    required: ['ldap_uri', 'base_dn'],
  },
  consumerSchema: {
    type: 'object',
    title: 'work with consumer object',
    properties: { user_dn: DN },
    required: ['user_dn'],
  },
  check(conf) {
    if (conf.use_ldaps && conf.use_starttls) {
      throw new ConfigError('use_ldaps and use_starttls are mutually exclusive');
    }
    if (conf.bind_dn !== undefined && conf.ldap_password === undefined) {
      throw new ConfigError('ldap_password is required when bind_dn is set');
    }
  },
};
