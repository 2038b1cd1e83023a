import { realmSchema } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface LdapAuthConf {
  readonly base_dn: string;
  /** `host` or `host:port`. */
  readonly ldap_uri: string;
  readonly use_tls: boolean;
  readonly tls_verify: boolean;
  /** The attribute that the user name is the value of. */
  readonly uid: string;
  readonly hide_credentials: boolean;
  readonly realm: string;
}

/** Source: apisix/plugins/ldap-auth.lua. */
export const definition: PluginDefinition<LdapAuthConf> = {
  name: 'ldap-auth',
  version: 0.1,
  priority: 2540,
  tlsFields: ['use_tls', 'tls_verify'],
  type: 'auth',
  consumerKey: 'user_dn',
  schema: {
    type: 'object',
    title: 'work with route or service object',
    properties: {
      base_dn: { type: 'string' },
      ldap_uri: { type: 'string' },
      use_tls: { type: 'boolean', default: false },
      tls_verify: { type: 'boolean', default: false },
      uid: { type: 'string', default: 'cn' },
      hide_credentials: { type: 'boolean', default: false },
      realm: realmSchema('ldap'),
    },
    required: ['base_dn', 'ldap_uri'],
  },
  consumerSchema: {
    type: 'object',
    title: 'work with consumer object',
    properties: { user_dn: { type: 'string' } },
    required: ['user_dn'],
  },
};
